"""How often a run opens its files: the weights once, and each picture once."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

COUNTING = """
import collections, json, os, sys

counts = collections.Counter()

def count(event, args):
    if event == "open" and isinstance(args[0], (str, bytes, os.PathLike)):
        counts[os.path.basename(os.fsdecode(args[0]))] += 1

sys.addaudithook(count)
from serpent_cli.cli.app import main

try:
    main(sys.argv[2:])
finally:
    with open(sys.argv[1], "w") as stream:
        json.dump(counts, stream)
"""


@pytest.fixture
def opens(tmp_path: Path) -> Callable[..., Counter[str]]:
    """opens(*words): how often `serpent WORDS` opens each file, by name."""

    def run(*words: str | Path) -> Counter[str]:
        report = tmp_path / "report.json"
        command = [sys.executable, "-c", COUNTING, str(report), *map(str, words)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return Counter(json.loads(report.read_text()))

    return run


@pytest.fixture
def pictures(photo_file: Path, tmp_path: Path) -> list[Path]:
    """Two files of one picture."""
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        shutil.copy(photo_file, path)
    return paths


@pytest.mark.parametrize("card", [True, False])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_opens_everything_once(
    card: bool, jobs: int, opens: Callable[..., Counter[str]], pictures: list[Path],
    make_weights: Callable[..., Path], tmp_path: Path,
) -> None:  # fmt: skip
    weights = make_weights(card=card)
    out = tmp_path / "out"
    found = opens("deblur", *pictures, "-o", out, "--model", weights, "--jobs", jobs)
    assert {path.name for path in out.glob("*.png")} == {"a.png", "b.png"}
    assert found[weights.name] == 1
    assert found["tiny.json"] == card
    assert (found["a.png"], found["b.png"]) == (1, 1)


def test_the_same_run_again_opens_no_weights_that_have_a_card(
    opens: Callable[..., Counter[str]], pictures: list[Path], make_weights: Callable[..., Path],
    tmp_path: Path,
) -> None:  # fmt: skip
    weights = make_weights()
    words = "deblur", *pictures, "-o", tmp_path / "out", "--model", weights
    opens(*words)
    again = opens(*words)
    assert again[weights.name] == 0
    assert again["a.png"] == 2, "the picture and its result, for their digests"
