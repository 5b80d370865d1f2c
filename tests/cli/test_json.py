"""What --json prints is what docs/batch.md says."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Serpent = Callable[..., Any]
Model = tuple[str, Path]
PAGE = (Path(__file__).parents[2] / "docs" / "batch.md").read_text(encoding="utf-8")


def documented(part: str) -> set[str]:
    table = PAGE.split("## `--json`")[1]
    rows = re.findall(r"^\| (`[^|]+`) \| (picture|run|both) \|", table, re.MULTILINE)
    return {
        key for keys, of in rows if of in (part, "both") for key in re.findall(r"`(\w+)`", keys)
    }


@pytest.fixture
def records(
    serpent: Serpent, model: Model, photos: Path, tmp_path: Path
) -> dict[str, dict[str, Any]]:
    """One record of each kind, by status; that of the run as `summary`."""
    (photos / "broken.png").write_bytes(b"")
    found: dict[str, dict[str, Any]] = {}
    for options in ([], [], ["--dry-run"], ["--dry-run", "-f"]):
        outcome = serpent("deblur", photos, *model, "-o", tmp_path / "out", "--json", *options)
        for line in outcome.out:
            record = json.loads(line)
            found[record.get("status", "summary")] = record
    return found


def test_every_key_is_documented_and_printed(records: dict[str, dict[str, Any]]) -> None:
    run = records.pop("summary")
    assert set(run) == documented("run")
    assert set().union(*records.values()) == documented("picture")


def test_every_status_is_documented(records: dict[str, dict[str, Any]]) -> None:
    states = set(records) - {"summary"}
    assert states == {"restored", "skipped", "failed", "would restore", "would skip", "would fail"}
    for state in states:
        assert f"`{state}`" in PAGE


def test_types(records: dict[str, dict[str, Any]]) -> None:
    for status, record in records.items():
        kinds = {"seconds": (int, float), "warnings": list, "summary": bool, "input": str,
                 "output": str, "status": str, "error": str, "hint": str | None,
                 "change": dict}  # fmt: skip
        for key, value in record.items():
            assert isinstance(value, kinds.get(key, int)), (status, key, value)
