"""`--engine ray`: a real cluster of two workers on this machine, one of them killed at work."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from PIL import Image

PICTURES = 24
PATIENCE = 240  # seconds

Serpent = Callable[..., object]
Model = tuple[str, Path]


@pytest.fixture
def folder(tmp_path: Path, photo: NDArray[np.uint8]) -> Path:
    """Pictures, and one file that is none."""
    found = tmp_path / "in"
    found.mkdir()
    for index in range(PICTURES):
        Image.fromarray(np.roll(photo, 4 * index, axis=1)).save(found / f"{index:02}.png")
    (found / "broken.png").write_bytes(b"nonsense")
    return found


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes of a cluster below a process that hold our workers."""
    found: list[psutil.Process] = []
    for each in psutil.Process(process.pid).children(recursive=True):
        try:
            if "MapBatches(Worker)" in " ".join(each.cmdline()):
                found.append(each)
        except psutil.Error:  # it has just ended
            continue
    return found


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def test_a_killed_worker_costs_nothing(serpent: Serpent, model: Model, folder: Path) -> None:
    alone, out = folder.parent / "alone", folder.parent / "out"
    common = ["deblur", str(folder), *map(str, model), "--device", "cpu", "--jobs", "2"]
    assert serpent(*common, "-o", alone).code == 1  # pyright: ignore

    process = subprocess.Popen(
        [sys.executable, "-m", "serpent_cli", *common, "-o", str(out), "--json",
         "--engine", "ray"],
        # Not from the checkout, which may lack the compiled kernel that the installed package has.
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder.parent,
    )  # fmt: skip
    wait_for(lambda: len(list(out.glob("*.png"))) >= 2, process)
    at_work = workers(process)
    assert len(at_work) == 2
    at_work[0].kill()
    stdout, stderr = process.communicate(timeout=PATIENCE)
    lines = [json.loads(line) for line in stdout.splitlines()]
    assert process.returncode == 1, stderr
    summary = lines.pop()
    assert {key: summary[key] for key in ("files", "restored", "skipped", "failed")} == {
        "files": PICTURES + 1, "restored": PICTURES, "skipped": 0, "failed": 1,
    }  # fmt: skip
    assert sorted(line["input"] for line in lines) == [str(p) for p in sorted(folder.iterdir())]
    assert "broken.png" in stderr
    # Ray tells of the worker that died; nothing else of it shows but the lines of progress.
    told = [
        line
        for line in stderr.splitlines()
        if line
        and not re.match(r"loading |\d+/\d+ |\d+ pictures in ", line)
        and "(raylet)" not in line
    ]
    assert [line.split(":")[0] for line in told] == ["error", "hint"], stderr
    results = sorted(path.name for path in out.iterdir())
    assert results == sorted(path.name for path in alone.iterdir())
    for name in results:
        if name.endswith(".png"):
            assert (out / name).read_bytes() == (alone / name).read_bytes()
    # What was noted there holds here: nothing is done again.
    outcome = serpent(*common, "-o", out)
    assert outcome.err[-3] == f"{PICTURES} of {PICTURES + 1} pictures had been done before"  # pyright: ignore


def test_what_the_engine_cannot_do(
    serpent: Serpent, model: Model, photo_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("deblur", photo_file, *model, "--engine", "ray")
    serpent(*command, "-o", "-", "--format", "png").failed(2, "no standard streams")  # pyright: ignore
    serpent(*command, "--device", "cuda:1").failed(2, "chooses the devices itself")  # pyright: ignore
    serpent(*command, "--threads", "1").failed(2, "shares out the cores")  # pyright: ignore
    monkeypatch.setitem(sys.modules, "ray", None)
    outcome = serpent(*command)
    outcome.failed(5, "needs a package that is not installed: ray")  # pyright: ignore
    assert "serpent-restore[ray]" in outcome.hint  # pyright: ignore


def test_a_cluster_that_nobody_answers_for_is_told_at_once(
    serpent: Serpent, model: Model, photo_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = time.monotonic()
    for address in ("127.0.0.1:9", "ray://127.0.0.1:9", "127.0.0.1:99999999", "no.invalid:6379"):
        monkeypatch.setenv("RAY_ADDRESS", address)
        outcome = serpent("deblur", photo_file, *model, "--engine", "ray", "-o", "out.png")
        outcome.failed(5, f"no Ray cluster can be reached at {address}")  # pyright: ignore
    assert time.monotonic() - begun < 60
