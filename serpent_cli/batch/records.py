"""The lines of a manifest: what they say, and how they are read, whoever wrote them.

A line of a later version has keys that we do not know: they stay in the file, which is only ever
appended to. A line whose essentials are not what they should be does not count.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

BEGINNING = b'{"run": '
"""What every manifest begins with."""

_ESSENTIAL = ("output", "run", "input_digest", "output_digest")


@dataclass(frozen=True)
class Record:
    """One result as its line says it.

    Attributes:
        input: The picture, as the run was told.
        output: The result; relative to the manifest's folder if it lies below it.
        run: Digest of the options, weights included.
        input_digest: As `places.change_mark` gives it.
        output_digest: sha256 of the result, as `sha256:` and hexadecimal digits.
        width: Output pixels per row.
        height: Output rows.
        tiles: Tiles it was restored in.
        seconds: Seconds of work.
        warnings: What could not be kept.
    """

    input: str
    output: str
    run: str
    input_digest: str
    output_digest: str
    width: int = 0
    height: int = 0
    tiles: int = 0
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Beginning:
    """The line with which a run begins.

    Attributes:
        run: Digest of its options.
        plan: What its machine added to them.
        model: Name of the model that it restored with; empty if it is not said.
    """

    run: str
    plan: Mapping[str, Any]
    model: str = ""


class Odd(Enum):
    """What a line is that says nothing."""

    TORN = "no JSON: a process was killed while it wrote it"
    OTHER = "damaged, or not ours"


def read_line(line: bytes) -> Record | Beginning | Odd:
    """What a line says."""
    try:
        # Lines of earlier versions hold bytes of names that are no text as they are.
        entry: Any = json.loads(line.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return Odd.TORN
    if not isinstance(entry, dict):
        return Odd.OTHER
    found = cast("dict[str, Any]", entry)
    if "options" in found and isinstance(found.get("run"), str):
        return Beginning(found["run"], _plan(found.get("plan")), _model(found["options"]))
    if not all(isinstance(found.get(key), str) for key in _ESSENTIAL):
        return Odd.OTHER
    warnings = found.get("warnings")
    said = cast("list[Any]", warnings) if isinstance(warnings, list) else []
    return Record(
        str(found.get("input", "")), found["output"], found["run"], found["input_digest"],
        found["output_digest"], _count(found, "width"), _count(found, "height"),
        _count(found, "tiles"), _seconds(found.get("seconds")), tuple(map(str, said)),
    )  # fmt: skip


def is_blank(content: bytes) -> bool:
    """Whether there is nothing in a file, or no more than the torn beginning of its first line."""
    text = content.strip()
    return BEGINNING.startswith(text) or (text.startswith(BEGINNING) and b"\n" not in text)


def _plan(value: Any) -> Mapping[str, Any]:
    found = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    memory = found.get("memory")
    sound = memory is None or (type(memory) is int and memory > 0)
    return found if sound else {}


def _model(options: Any) -> str:
    found = cast("dict[str, Any]", options) if isinstance(options, dict) else {}
    return str(found.get("model", ""))


def _count(found: Mapping[str, Any], key: str) -> int:
    value = found.get(key)
    return value if type(value) is int and value >= 0 else 0


def _seconds(value: Any) -> float:
    return float(value) if type(value) in (int, float) else 0.0
