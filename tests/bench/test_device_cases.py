"""The cases for a GPU run anywhere in small, and a wrong result ends them with an error."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

WRONG = """
import sys
from bench import __main__, device_scan
right = device_scan.ours
device_scan.ours = lambda *tensors: 1.01 * right(*tensors)
sys.argv = ["bench", "cross_scan", "--tiny"]
sys.exit(__main__.main())
"""


Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(("case", "words"), [("cross_scan", "limit"), ("restore", "MP/s")])
def test_a_small_run_prints_a_table_and_keeps_it(
    case: str, words: str, python: Python, tmp_path: Path
) -> None:
    kept = tmp_path / "rows.json"
    ran = python("-m", "bench", case, "--tiny", "--json", str(kept))
    assert ran.returncode == 0, ran.stderr
    assert words in ran.stdout
    record = json.loads(kept.read_text())
    assert {"device", "torch", "cuda"} <= set(record)
    assert all(row["value"] > 0 for row in record["rows"])


def test_a_wrong_result_is_an_error(python: Python) -> None:
    ran = python("-c", WRONG)
    assert ran.returncode == 1, ran.stderr
    parity = [line for line in ran.stdout.splitlines() if line.startswith("largest relative")]
    assert parity
    assert all(line.endswith("NO") for line in parity)


def test_a_device_that_is_absent_is_an_error(python: Python) -> None:
    ran = python("-m", "bench", "cross_scan", "--device", "cuda:42")
    assert ran.returncode == 5
    assert "cuda:42 is not available" in ran.stderr
