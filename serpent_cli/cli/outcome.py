"""What became of each picture, shown as it happens and summed up at the end."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serpent_cli.cli import console
from serpent_cli.cli.progress_bar import on_terminal
from serpent_cli.cli.request import Request
from serpent_cli.errors import SerpentError

if TYPE_CHECKING:
    from serpent_cli.batch.groups import Group
    from serpent_cli.batch.naming import Job
    from serpent_cli.batch.result import FileResult
    from serpent_cli.batch.sources import Lost, Sources
    from serpent_cli.restoration.difference import Difference
    from serpent_cli.restoration.restorer import Restorer

LISTED = 20
"""Most failures that are listed again at the end."""


class Outcome:
    """Shows results and decides the exit code.

    Args:
        request: The command line.
        groups: All that is to be done.
    """

    def __init__(self, request: Request, groups: "Sequence[Group]") -> None:
        self.request, self.groups = request, groups
        self.total = sum(len(group.jobs) for group in groups)
        self.restored = self.skipped = 0
        self.failures: list[SerpentError] = []
        self.finished: set[Job] = set()
        self.begun, self.began_at = time.perf_counter(), time.time()
        self.last = ""

    def show(self, result: "FileResult") -> None:
        """One picture is done, had been done, or failed."""
        if result.error is not None:
            self.failures.append(result.error)
            console.error(result.error)
        elif result.skipped:
            self.skipped += 1
            self.finished.add(result.job)
            self.last = str(result.job.target)
        else:
            self.restored += 1
            self.finished.add(result.job)
            self._tell(result)
            for text in result.warnings:
                console.warning(f"{result.job.source}: {text}")
        if str(result.job.target) == "-":
            return  # standard output is the picture
        if self.request.json:
            console.json_line(record(result))
        elif result.error is None and not result.skipped and not self.request.quiet:
            console.result(str(result.job.target))

    def _tell(self, result: "FileResult") -> None:
        """One line for each picture where no bar can be shown."""
        if self.request.quiet or on_terminal():
            return
        number = self.restored + self.skipped + len(self.failures)
        source = str(result.job.source)
        named = "standard input" if source == "-" else source
        console.note(f"{number}/{self.total} {named} in {result.seconds:.1f} s")

    def lose(self, lost: "Lost") -> None:
        """Something cannot even be looked at, and what it holds is not known."""
        self.total += 1
        self.failures.append(lost.error)
        console.error(lost.error)
        if self.request.json:
            console.json_line(record_lost(lost))

    def finish(self) -> int:
        """Sum up, and give the exit code."""
        failed = len(self.failures)
        if self.request.json:
            console.json_line({
                "summary": True, "files": self.total, "restored": self.restored,
                "skipped": self.skipped, "failed": failed,
                "seconds": round(time.perf_counter() - self.begun, 3),
            })  # fmt: skip
        elif not self.request.quiet:
            if self.skipped and self.total == 1:
                console.note(f"{self.last} had been done before")
            elif self.skipped:
                console.note(f"{self.skipped} of {self.total} pictures had been done before")
            if failed and self.total > 1:
                self._list_failures()
            if self.total > 1 or (on_terminal() and not failed):
                console.note(self._summary())
        codes = {error.exit_code for error in self.failures}
        alike = failed == self.total and len(codes) == 1
        return 0 if not failed else codes.pop() if alike else 1

    def interrupted(self) -> None:
        """After Ctrl-C: say what was kept and how to go on."""
        if self.request.quiet:
            return
        kept = [job for group in self.groups for job in group.jobs if self._is_kept(job)]
        if not kept:
            console.note("stopped; nothing was written")
            return
        console.note(
            f"stopped; {len(kept)} of {self.total} pictures are finished and kept" + self._where()
        )
        if self._resumes():
            console.note("hint: run the same command again to do the others")

    def _is_kept(self, job: "Job") -> bool:
        """Whether it is finished; the last ones were still being written when we heard of it."""
        if job in self.finished or not isinstance(job.target, Path):
            return job in self.finished
        try:
            return job.target.stat().st_mtime >= self.began_at
        except OSError:
            return False

    def _resumes(self) -> bool:
        """Whether the same command skips what is finished, for all pictures."""
        noted = all(group.noting.path for group in self.groups)
        return noted and not self.request.force

    def _summary(self) -> str:
        """Such as `6 pictures in 51 s, 2 skipped, 0 failed → holiday_deblurred/`."""
        seconds = time.perf_counter() - self.begun
        pictures = "1 picture" if self.total == 1 else f"{self.total} pictures"
        text = f"{pictures} in {brief(seconds)}"
        if self.total > 1:
            text += f", {self.skipped} skipped, {len(self.failures)} failed"
        return text + self._where(" → ")

    def _where(self, words: str = " in ") -> str:
        """The one folder or file of all results; nothing if there is not one."""
        folders = {group.noting.folder for group in self.groups}
        folder = folders.pop() if len(folders) == 1 else None
        if self.total == 1 and self.groups and self.groups[0].jobs:
            (job,) = self.groups[0].jobs
            name = str(job.target)
            return words + ("standard output" if name == "-" else name)
        return "" if folder is None else f"{words}{folder}/"

    def _list_failures(self) -> None:
        """Again at the end: among thousands of lines nobody has seen them."""
        failed = len(self.failures)
        console.note(f"{failed} of {self.total} pictures failed:")
        for error in self.failures[:LISTED]:
            console.note(f"  {error.message}")
        if failed > LISTED:
            console.note(f"  and {failed - LISTED} more")


def record(result: "FileResult") -> dict[str, Any]:
    """The JSON object of a result; docs/batch.md describes it."""
    status = "failed" if result.error else "skipped" if result.skipped else "restored"
    facts: dict[str, Any] = {
        "input": str(result.job.source),
        "output": str(result.job.target),
        "status": status,
        "seconds": round(result.seconds, 3),
        "warnings": list(result.warnings),
    }
    if result.error is not None:
        return {**facts, "error": result.error.message, "hint": result.error.hint}
    facts |= {"width": result.width, "height": result.height, "tiles": result.tiles}
    return facts if result.difference is None else {**facts, "change": _change(result.difference)}


def _change(difference: "Difference") -> dict[str, Any]:
    return {
        "mean_levels": round(difference.mean_levels, 2),
        "share": round(difference.share, 4),
        "mean_levels_there": round(difference.mean_levels_there, 2),
        "where": difference.where or None,
    }


def record_lost(lost: "Lost") -> dict[str, Any]:
    """The JSON object of something that cannot be looked at."""
    return {
        "input": str(lost.place), "output": None, "status": "failed", "seconds": 0.0,
        "warnings": [], "error": lost.error.message, "hint": lost.error.hint,
    }  # fmt: skip


def announcement(name: str, height: int, width: int, restorer: "Restorer") -> str:
    """What a large result will be like, and how long it will take.

    Args:
        name: Of the result.
        height: Input rows.
        width: Input columns.
        restorer: What will restore it; runs on a small tile to know its speed.
    """
    scale = restorer.scale
    seconds = restorer.seconds_per_megapixel() * height * width / 2**20
    megabytes = height * width * scale**2 * 3 / 1e6
    return (
        f"{name} will have {width * scale} x {height * scale} pixels, {megabytes:.0f} MB before"
        f" compression, and take about {duration(seconds)}"
    )


def duration(seconds: float) -> str:
    """In words, such as `14 minutes`."""
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def brief(seconds: float) -> str:
    """Such as `2.1 s`, `51 s`, `4 min` or `2.5 h`."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def tell_left_alone(sources: "Sources") -> None:
    """One line for each kind of thing in folders that is passed over."""
    for places, one, several in (
        (sources.strays, "file that is not a picture was", "files that are not pictures were"),
        (sources.links, "linked folder was", "linked folders were"),
        (sources.special, "pipe or device was", "pipes or devices were"),
    ):
        if places:
            shown = ", ".join(each.name for each in places[:3])
            more = ", ..." if len(places) > 3 else ""
            what = one if len(places) == 1 else several
            console.note(f"{len(places)} {what} left alone: {shown}{more}")
