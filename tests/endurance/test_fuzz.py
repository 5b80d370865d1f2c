"""A slice of the fuzz: damaged pictures of every format are read, or refused well."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Python = Callable[..., subprocess.CompletedProcess[str]]
COUNT = 600

# Defects that the search must find: what reads in the workers is replaced.
BROKEN = """
import os, sys, time
from tests.endurance import __main__ as driver, fuzz, workers
from serpent_cli.errors import PictureError
def broken(path, **_):
    what = int(path.name.split("-")[0])
    if what == 1: raise KeyError("not ours")
    if what == 2: os.abort()
    if what == 3: time.sleep(600)
    if what == 4: bytearray(b"x") * (300 * 2**20)
    if what == 5: raise PictureError(f"cannot read {path}: no way out")
    if what == 6: raise PictureError("cannot read it", "A hint")
    if what == 7: raise PictureError(f"cannot read {path}: there is not enough memory", "A hint")
    end = time.process_time() + 1
    while what == 8 and time.process_time() < end: pass
fuzz.SECONDS, workers.WAITING, workers.DRIVER = 0.5, 30, ("broken.py",)
fuzz.mutated = lambda *_: ("a.png", b"x")
fuzz.read_picture = broken
sys.exit(driver.main())
"""
FOUND = ["KeyError", "crash", "hang", "memory", "no hint", "no clear sentence", "memory", "slow"]


def table_of(path: Path) -> dict[str, float]:
    return {each["what"]: each["value"] for each in json.loads(path.read_text())}


def test_damaged_pictures_are_read_or_refused(python: Python, tmp_path: Path) -> None:
    done = python("-m", "tests.endurance", "fuzz", "--count", str(COUNT), "--json", "found.json")
    assert done.returncode == 0, done.stdout + done.stderr
    # Neither everything is refused at the door, nor is everything still sound.
    found = table_of(tmp_path / "found.json")
    assert found["read"] + found["refused"] == COUNT
    assert min(found["read"], found["refused"]) > COUNT / 10


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured on Linux")
def test_every_kind_of_defect_is_found(python: Python, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    done = python("broken.py", "fuzz", "--count", str(len(FOUND) + 1), "--json", "found.json")
    assert done.returncode == 1
    defects = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [each["verdict"] for each in defects] == FOUND, done.stderr
    assert [each["index"] for each in defects] == list(range(1, len(FOUND) + 1))
    found = table_of(tmp_path / "found.json")
    assert (found["read"], found["defects"]) == (1, len(FOUND))


def test_a_file_of_a_number_is_always_the_same(python: Python, tmp_path: Path) -> None:
    def shown() -> dict[str, bytes]:
        python("-m", "tests.endurance", "fuzz", "--show", "7")
        return {path.name: path.read_bytes() for path in tmp_path.glob("7-*")}

    first = shown()
    assert len(first) == 1
    assert shown() == first
