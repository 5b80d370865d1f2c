"""What the worker makes of a job's settings, in this process."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from serpent_cli.errors import UsageError
from serpent_cli.restoration.plan import BASE_BYTES
from serpent_cli.serving import lanes
from serpent_cli.serving import worker as worker_file
from serpent_cli.serving.crew import Settings
from serpent_cli.serving.worker import COMPARED_BYTES, ROOM, Worker

Do = Callable[..., dict[str, Any]]


@pytest.fixture
def do(style_shelf: Path, photo_file: Path, tmp_path: Path) -> Do:
    """do(**settings) -> the answer to a job on a picture of 35 x 21 pixels."""
    worker = Worker(dataclasses.asdict(Settings(models=())))

    def run(**settings: Any) -> dict[str, Any]:
        job = {"kind": "restore", "source": str(photo_file), "folder": str(tmp_path)}
        return worker.do(job | {"settings": settings})

    return run


def test_a_style_is_chosen(do: Do) -> None:
    results: list[np.ndarray] = []
    for settings in ({"style": "crisp"}, {"model": "upscale-x4-crisp"}, {"style": "natural"}, {}):
        answer = do(task="upscale", scale=4, **settings)
        assert (answer["width"], answer["height"]) == (140, 84)
        results.append(np.asarray(Image.open(answer["path"])))
    crisp, named, natural, plain = results
    assert np.array_equal(crisp, named) and np.array_equal(natural, plain)
    assert not np.array_equal(crisp, natural)


def test_a_size_chooses_among_the_scales_of_the_style(do: Do) -> None:
    answer = do(task="upscale", size="210x", style="crisp")
    assert (answer["width"], answer["height"]) == (210, 126)


def test_a_style_that_the_scale_does_not_have(do: Do) -> None:
    answer = do(task="upscale", scale=8, style="crisp")
    assert answer["exit_code"] == 2
    assert answer["error"] == "the style crisp does not enlarge by 8"
    assert do(task="upscale", style="crisp")["width"] == 140


def test_beside_another_the_result_is_the_same(
    make_weights: Callable[..., Path], photo_file: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """To the last byte, though on one thread; and only where the answer to both is that."""
    threads, model = torch.get_num_threads(), str(make_weights())
    used: list[int] = []
    with_threads = lanes._with_threads

    def spied(threads: int, work: Callable[[], Any]) -> Any:
        used.append(threads)
        return with_threads(threads, work)

    monkeypatch.setattr(lanes, "_with_threads", spied)
    try:
        for precision in ("bf16", "fp32"):
            settings = Settings(models=(model,), threads=2, precision=precision)
            worker = Worker(dataclasses.asdict(settings))
            job = {"kind": "restore", "source": str(photo_file), "folder": str(tmp_path)}
            job |= {"settings": {"model": model}}
            alone = Path(worker.do(job)["path"]).read_bytes()
            with worker.lanes.job():
                together = Path(worker.do(job)["path"]).read_bytes()
            assert together == alone
            _, sharing = worker.restorers.get(model, "auto", 1.0)
            assert not (sharing and precision == "fp32")
            # It is loaded, restored alone, restored beside another.
            assert used == [2, 2, 1 if sharing else 2]
            used.clear()
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(("memory", "kept"), [(None, 3), ("2G", 1)])
def test_with_a_limit_of_memory_large_models_make_way(
    memory: str | None, kept: int, make_weights: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A plan counts the weights of one model only."""
    models = [str(make_weights(name)) for name in ("a", "b", "c", "d")]
    monkeypatch.setattr(worker_file, "ROOM", 1)
    worker = Worker(dataclasses.asdict(Settings(models=tuple(models), max_memory=memory)))
    for model in models:
        worker.restorers.get(model, "auto", 1.0)
    assert [key[0] for key in worker.restorers._made] == models[-kept:]


@pytest.mark.parametrize("short", [0, 1])
def test_a_comparison_keeps_within_the_memory(short: int, photo_file: Path, tmp_path: Path) -> None:
    needed = BASE_BYTES + 2 * ROOM + COMPARED_BYTES * 35 * 21
    worker = Worker(dataclasses.asdict(Settings(models=(), max_memory=str(needed - short))))
    job = {"source": str(photo_file), "after": str(photo_file), "folder": str(tmp_path)}
    answer = worker.do(job | {"kind": "compare"})
    if short:
        assert answer["error"] == "comparing pictures of 735 pixels needs 0.6G of memory"
        assert answer["hint"].startswith("start the server with --max-memory 0.6G")
    else:
        assert Path(answer["path"]).stat().st_size > 1000


def test_a_limit_below_what_torch_takes_is_refused_at_the_start() -> None:
    worker = Worker(dataclasses.asdict(Settings(models=(), max_memory="500M")))
    with pytest.raises(UsageError, match="--max-memory 500M is too little for a server") as caught:
        worker.warm()
    assert caught.value.hint == "give 0.6G or more"


def test_the_memory_that_a_refusal_names_is_enough(
    style_shelf: Path, photo_file: Path, tmp_path: Path
) -> None:
    """Also where a part of the limit is kept free for what is coded meanwhile."""

    def answer(memory: str) -> dict[str, Any]:
        worker = Worker(dataclasses.asdict(Settings(models=(), max_memory=memory)))
        job = {"kind": "restore", "source": str(photo_file), "folder": str(tmp_path)}
        return worker.do(job | {"settings": {"task": "upscale", "size": "4000x"}})

    refused = answer("615M")
    assert refused["error"].startswith("resampling to 4000 x 2400 needs at least 0.")
    named = re.search(r"--max-memory (\S+) or more", refused["hint"])
    assert named and named[1] in refused["error"]
    assert answer(named[1])["width"] == 4000
