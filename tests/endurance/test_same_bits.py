"""Two runs of a few pictures are alike, and whatever differs between two records is told."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.endurance import same_bits

Python = Callable[..., subprocess.CompletedProcess[str]]
DRIVER = ("-m", "tests.endurance", "same_bits", "--only", "float.tif")


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_a_second_run_gives_the_same_but_for_what_is_changed(
    python: Python, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.json"
    first = python(*DRIVER, "--out", str(kept))
    assert first.returncode == 0, first.stdout + first.stderr
    record = json.loads(kept.read_text())
    assert {each["exit"] for each in record.values()} == {0}
    record["float.tif"]["result"]["pixels"] = "other"
    kept.write_text(json.dumps(record))
    again = python(*DRIVER, "--against", str(kept))
    assert again.returncode == 1, again.stdout + again.stderr
    assert next(line for line in again.stdout.splitlines() if "float.tif" in line).startswith(
        "float.tif: pixels: other became "
    )
    assert again.stdout.count("NO") == 2  # the sum, and this one


BEFORE = {
    "a": {"exit": 0, "said": ["x"], "result": {"pixels": "1", "icc": "2", "bytes": "3"}},
    "b": {"exit": 1, "said": ["error"], "result": None},
}


@pytest.mark.parametrize("key", ["pixels", "icc"])
def test_each_thing_that_a_result_holds_counts(key: str) -> None:
    now = copy.deepcopy(BEFORE)
    now["a"]["result"][key] = "9"
    assert [line.split(": ")[:2] for line in same_bits.differences(BEFORE, now)] == [["a", key]]


def test_codes_and_sentences_count_and_bytes_do_not() -> None:
    now = copy.deepcopy(BEFORE)
    now["a"]["result"]["bytes"] = "9"
    assert list(same_bits.differences(BEFORE, now)) == []
    now["b"] |= {"exit": 2, "said": ["another error"]}
    del now["a"]
    found = list(same_bits.differences(BEFORE, now))
    assert [line.split(": ")[0] for line in found] == ["a", "b", "b"]
    assert found[0] == "a: only before"


def test_every_case_has_a_name_of_its_own_and_a_picture() -> None:
    names = [case.name for case in same_bits.cases()]
    assert len(names) == len(set(names)) >= 60
