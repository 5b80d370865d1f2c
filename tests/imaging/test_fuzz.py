"""A slice of `python -m bench fuzz`: damaged pictures of every format are read, or refused well."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COUNT = 600

# Defects that the search must find: what reads in the workers is replaced.
BROKEN = """
import os, time
from bench import fuzz
from serpent_cli.errors import PictureError
def broken(path, **_):
    what = int(path.name.split("-")[0])
    if what == 1: raise KeyError("not ours")
    if what == 2: os.abort()
    if what == 3: time.sleep(60)
    if what == 4: bytearray(b"x") * (300 * 2**20)
    if what == 5: raise PictureError(f"cannot read {path}: no way out")
    if what == 6: raise PictureError("cannot read it", "A hint")
    if what == 7: raise PictureError(f"cannot read {path}: there is not enough memory", "A hint")
    end = time.process_time() + 2.5
    while what == 8 and time.process_time() < end: pass
fuzz.SECONDS, fuzz.WORKER = 2, ("broken.py",)
fuzz.mutated = lambda *_: ("a.png", b"x")
fuzz.read_picture = broken
fuzz.main()
"""
FOUND = ["KeyError", "crash", "hang", "memory", "no hint", "no clear sentence", "memory", "slow"]


@pytest.fixture
def beside_bench(tmp_path: Path) -> Path:
    """A folder with `bench` alone, so that the package that is installed is found."""
    (tmp_path / "bench").symlink_to(ROOT / "bench")
    return tmp_path


def test_damaged_pictures_are_read_or_refused(beside_bench):
    command = [sys.executable, "-m", "bench.fuzz", "--count", str(COUNT)]
    done = subprocess.run(command, cwd=beside_bench, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # Neither everything is refused at the door, nor is everything still sound.
    counts = json.loads(done.stdout[: done.stdout.index("}") + 1].replace("'", '"'))
    assert sum(counts.values()) == COUNT
    assert min(counts["read"], counts["refused"]) > COUNT / 10


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured on Linux")
def test_every_kind_of_defect_is_found(beside_bench):
    (beside_bench / "broken.py").write_text(BROKEN)
    command = [sys.executable, "broken.py", "--count", str(len(FOUND) + 1)]
    done = subprocess.run(command, cwd=beside_bench, capture_output=True, text=True, check=False)
    *defects, summary = done.stdout.splitlines()
    assert [json.loads(line)["verdict"] for line in defects] == FOUND
    assert [json.loads(line)["index"] for line in defects] == list(range(1, len(FOUND) + 1))
    assert "'read': 1" in summary
