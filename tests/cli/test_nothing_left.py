"""A run that makes no result leaves nothing behind: no folder, no manifest, no lock."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Serpent = Callable[..., Any]
Model = tuple[str, Path]

CUT = ("--model", "cut.safetensors")
REFUSED: list[tuple[tuple[str, ...], int]] = [
    (("--engine", "ray", "--threads", "2"), 2),
    (("--engine", "ray", "--device", "mps"), 2),
    (("--engine", "ray"), 5),  # no cluster
    (("--max-memory", "10M"), 1),
    (("--tile", "3"), 2),
    (("--region", "1000,1000,10,10"), 2),
    (("--size", "99999999x"), 1),
    (("--manifest", "new/folder/notes", "--tile", "3"), 2),
    (("--device", "abacus"), 5),
    (("--name", "{foo}.png"), 2),
    (("--format", "xyz"), 2),
    (("--server",), 5),
    (CUT, 4),
    (("--model", "nosuch"), 4),
]


@pytest.fixture
def folder(
    tmp_path: Path, photo: NDArray[np.uint8], model: Model, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A working folder with two pictures, one in a folder of its own, and weights cut in half."""
    for name in ("pictures/a.png", "pictures/in/b.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(photo[:20, :30]).save(path)
    content = model[1].read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[: len(content) // 2])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    monkeypatch.setenv("SERPENT_SERVER", str(tmp_path / "none.sock"))
    return tmp_path


def all_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("words", [("-r", "pictures", "-o", "out/side"), ("pictures/a.png",),
                                   ("pictures/a.png", "-o", "out/side/a.png")])  # fmt: skip
@pytest.mark.parametrize(("options", "code"), REFUSED)
def test_a_refused_run(
    words: tuple[str, ...], options: tuple[str, ...], code: int, folder: Path, model: Model,
    serpent: Serpent,
) -> None:  # fmt: skip
    if "--name" in options and "out/side/a.png" in words:
        pytest.skip("-o is a folder then")
    before = all_in(folder)
    chosen = () if "--model" in options else model
    outcome = serpent("deblur", *words, *chosen, *options)
    assert outcome.code == code, outcome.err
    assert all_in(folder) == before


def test_without_ray(
    folder: Path, model: Model, serpent: Serpent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    before = all_in(folder)
    outcome = serpent("deblur", "pictures", "-o", "out/side", *model, "--engine", "ray")
    outcome.failed(5, "needs a package that is not installed: ray")
    assert not outcome.progress, "it is said before anything begins"
    assert all_in(folder) == before


def test_without_pictures(folder: Path, serpent: Serpent) -> None:
    (folder / "empty").mkdir()
    before = all_in(folder)
    serpent("deblur", "empty", "-o", "out/side").failed(3, "no picture was found in empty")
    serpent("upscale", "pictures", "-o", "out/side", "--scale", "3").failed(4, "enlarges by 3")
    assert all_in(folder) == before


def test_what_was_done_stays(folder: Path, model: Model, serpent: Serpent) -> None:
    """A picture that fails among others takes nothing with it but its own empty folder."""
    (folder / "pictures" / "in" / "b.png").write_bytes(b"no picture")
    assert serpent("deblur", "-r", "pictures", "-o", "out", *model).code == 1
    made = [name for name in all_in(folder) if name.startswith("out")]
    assert made == ["out", "out/.serpent.jsonl", "out/.serpent.jsonl.lock", "out/a.png"]
