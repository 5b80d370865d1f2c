"""What is found, and what ends, before torch is loaded."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

CODE = """
import json, sys
from serpent_cli.cli.app import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print(json.dumps([end.code or 0, "torch" in sys.modules]))
"""


def run(*args: str | Path) -> tuple[int, bool, str]:
    """Exit code, whether torch was loaded, and what was said on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, args)], capture_output=True, text=True
    )
    code, loaded = json.loads(done.stdout.splitlines()[-1])
    return code, loaded, done.stderr


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["deblur", "--device", "abacus"], 5, "no device 'abacus'"),
        (["deblur", "--devices", "cpu,abacus"], 5, "no device 'abacus'"),
        (["deblur", "--precision", "fp8"], 2, "--precision fp8"),
        (["deblur", "--max-memory", "lots"], 2, "'lots'"),
        (["deblur", "--max-vram", "lots"], 2, "'lots'"),
        (["deblur", "--model", "upscale-x2"], 2, "enlarges by 2, not by 1"),
        (["upscale", "--scale", "3"], 4, "enlarges by 3"),
        (["upscale", "--scale", "4", "--model", "upscale-x2"], 2, "enlarges by 2, not by 4"),
        (["upscale", "--scale", "3", "--dry-run"], 4, "enlarges by 3"),
    ],
)
def test_a_wrong_command_line(args: list[str], code: int, words: str, photo_file: Path) -> None:
    ended, loaded, said = run(*args, photo_file)
    assert (ended, loaded) == (code, False)
    assert words in said


def test_a_wrong_device_or_scale_of_the_other_commands(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("nonsense")
    training = ("train", tmp_path / "recipe.toml", "--photos", photos)
    assert run(*training, "--device", "abacus")[:2] == (5, False)
    scoring = ("eval", "upscale", "--photos", photos)
    assert run(*scoring, "--device", "abacus")[:2] == (5, False)
    assert run(*scoring, "--scale", "3")[:2] == (4, False)
    assert run(*scoring, "--tile", "wide")[:2] == (2, False)


@pytest.mark.skipif(sys.platform == "darwin", reason="Macs may have it")
def test_a_device_that_no_such_machine_has(photo_file: Path) -> None:
    ended, loaded, said = run("deblur", "--device", "mps", photo_file)
    assert (ended, loaded) == (5, False)
    assert "mps is not available" in said


def test_existing_targets(photo_file: Path) -> None:
    photo_file.with_name("cup_deblurred.png").write_bytes(b"precious")
    ended, loaded, said = run("deblur", photo_file)
    assert (ended, loaded) == (1, False)
    assert "cup_deblurred.png exists" in said


def test_a_resumed_run_with_nothing_to_do(
    serpent: Callable[..., Any], photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    for number in range(20):
        (tmp_path / "trip").mkdir(exist_ok=True)
        Image.fromarray(photo[:8, number : number + 8]).save(tmp_path / "trip" / f"{number}.png")
    assert serpent("deblur", tmp_path / "trip", "-q").code == 0
    seconds: list[float] = []
    for _ in range(5):
        begun = sum(os.times()[2:4])  # of the CPU: others may be at work on the machine
        ended, loaded, said = run("deblur", tmp_path / "trip")
        seconds.append(sum(os.times()[2:4]) - begun)
        assert (ended, loaded) == (0, False)
        assert "20 of 20 pictures had been done before" in said
    assert min(seconds) < 0.6


def test_work_begins_where_what_is_settled_ends(
    serpent: Callable[..., Any], model: tuple[str, Path], photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    (tmp_path / "trip").mkdir()
    for name in "abcd":
        Image.fromarray(photo[:8, :8]).save(tmp_path / "trip" / f"{name}.png")
    out = tmp_path / "out"
    assert serpent("deblur", tmp_path / "trip", *model, "-q", "-o", out).code == 0
    (out / "c.png").unlink()
    (out / "b.png").write_bytes(b"precious")
    outcome = serpent("deblur", tmp_path / "trip", *model, "-o", out, "--json")
    *records, summary = map(json.loads, outcome.out)
    assert [each["status"] for each in records] == ["skipped", "failed", "restored", "skipped"]
    assert (summary["restored"], summary["skipped"], summary["failed"]) == (1, 2, 1)
    assert (out / "b.png").read_bytes() == b"precious"
