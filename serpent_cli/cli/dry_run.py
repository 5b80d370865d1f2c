"""`--dry-run`: what would be done, with the size, memory and time that each picture would take."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import typer

from serpent_cli.cli import console
from serpent_cli.cli.outcome import duration, record_lost
from serpent_cli.cli.request import Request
from serpent_cli.restoration.memory_budget import gibibytes

if TYPE_CHECKING:
    from serpent_cli.batch.result import FileResult
    from serpent_cli.batch.sources import Lost


def predict(forecasts: "Iterable[FileResult]", lost: "Sequence[Lost]", request: Request) -> None:
    """Show the forecast of each picture as it comes, and one for all.

    Ends with exit code 1 if some pictures would fail.
    """
    for each in lost:
        console.error(each.error)
        if request.json:
            console.json_line(record_lost(each) | {"status": "would fail"})
    found: list[FileResult] = []
    for each in forecasts:
        found.append(each)
        _show(each, request)
    restored = [each for each in found if not each.error and not each.skipped]
    failed = sum(each.error is not None for each in found) + len(lost)
    files = len(found) + len(lost)
    seconds = sum(each.seconds for each in restored)
    memory = max((each.memory for each in restored), default=0)
    if request.json:
        console.json_line({
            "summary": True, "files": files, "restored": len(restored),
            "skipped": files - len(restored) - failed, "failed": failed,
            "seconds": round(seconds, 3), "memory": memory,
        })  # fmt: skip
    elif not request.quiet:
        console.note(
            f"{len(restored)} of {files} pictures would be restored, in about"
            f" {duration(seconds)}, with at most {gibibytes(memory)} of memory"
        )
    raise typer.Exit(1 if failed else 0)


def _show(each: "FileResult", request: Request) -> None:
    if each.error is not None:
        console.error(each.error)
    if request.json:
        action = "fail" if each.error else "skip" if each.skipped else "restore"
        facts = {"input": str(each.job.source), "output": str(each.job.target),
                 "status": f"would {action}", "width": each.width, "height": each.height,
                 "tiles": each.tiles, "memory": each.memory,
                 "seconds": round(each.seconds, 3)}  # fmt: skip
        if each.error is not None:
            facts |= {"error": each.error.message, "hint": each.error.hint}
        console.json_line(facts)
    elif each.skipped:
        console.result(f"{each.job.target}: done before")
    elif each.error is None:
        tiles = "whole" if each.tiles == 1 else f"{each.tiles} tiles"
        size = f"{each.width} x {each.height}, {tiles}, " if each.width else ""
        console.result(
            f"{each.job.target}: {size}{gibibytes(each.memory)}, {duration(each.seconds)}"
        )
