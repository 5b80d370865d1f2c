"""A slice of the fuzz of weights, and that it finds every kind of defect."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

Python = Callable[..., subprocess.CompletedProcess[str]]
COUNT = 200

# Defects that the search must find: what loads in the workers is replaced.
BROKEN = """
import os, sys, time
from tests.endurance import __main__ as driver, weights_fuzz as fuzz, workers
from serpent_cli.errors import ModelError
def broken(path, device):
    first = os.path.basename(path).split("-")[0]
    what = int(first) if first.isdigit() else 0
    if what == 1: raise KeyError("not ours")
    if what == 2: os.abort()
    if what == 3: time.sleep(600)
    if what == 4: bytearray(b"x") * (100 * 2**20)
    if what == 5: raise ModelError(f"{path} is bad")
    if what == 6: raise ModelError("it is bad", "A hint")
    if what == 7: raise ModelError(f"{path}\\x1b[2J is bad", "A hint")
fuzz.SECONDS, workers.WAITING, workers.DRIVER = 0.5, 30, ("broken.py",)
fuzz.mutated = lambda seed, index: ("missing" if index == 8 else "data bytes", b"x")
fuzz.load_model = broken
sys.exit(driver.main())
"""
FOUND = [
    "KeyError", "crash", "hang", "memory", "no hint", "no clear sentence", "no clear sentence",
    "loaded, and must not be",
]  # fmt: skip


def test_hostile_weights_are_loaded_or_refused(python: Python) -> None:
    done = python("-m", "tests.endurance", "weights_fuzz", "--worker", "0", str(COUNT), "1")
    assert (done.returncode, done.stderr) == (0, "")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == COUNT
    counts = Counter(each["verdict"] for each in found)
    assert counts.keys() == {"read", "refused"}, found
    # Neither everything is refused at the door, nor is everything still sound.
    assert counts["read"] >= 3
    assert counts["refused"] > COUNT / 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured on Linux")
def test_every_kind_of_defect_is_found(python: Python, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    done = python("broken.py", "weights_fuzz", "--count", str(len(FOUND) + 1))
    assert done.returncode == 1
    defects = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [each["verdict"] for each in defects] == FOUND, done.stderr
    assert [each["index"] for each in defects] == list(range(1, len(FOUND) + 1))
    assert "data bytes: 1 read, 0 refused" in done.stdout
