"""The one voice: results on stdout; progress, warnings and errors on stderr."""

import json
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from serpent_cli.errors import SerpentError, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def result(text: str) -> None:
    """A line of the result, on stdout, at once: whoever reads a pipe need not wait for the end."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def json_line(record: dict[str, Any]) -> None:
    """One JSON object on one line of stdout."""
    result(json.dumps(record, ensure_ascii=False))


def refuse_terminal() -> None:
    """Keep a picture's bytes off a terminal.

    Raises:
        UsageError: Standard output is one.
    """
    if sys.stdout.isatty():
        raise UsageError(
            "a picture would go to the terminal", hint="redirect it (> out.png), or give -o FILE"
        )


def table(rows: Sequence[Sequence[str]]) -> None:
    """Rows of text in aligned columns on stdout; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        result("  ".join(cells).rstrip())


def note(text: str) -> None:
    """A remark on stderr."""
    sys.stderr.write(text + "\n")


def warning(text: str) -> None:
    """Something that could not be kept, on stderr."""
    note(f"warning: {text}")


def error(failure: SerpentError) -> None:
    """What went wrong, and what to do about it, on stderr."""
    note(f"error: {failure.message}")
    if failure.hint:
        note(f"hint: {failure.hint}")


class Bar:
    """A progress bar: files, and the tiles of the present one."""

    def __init__(self, progress: "Progress | None", files: "TaskID | None") -> None:
        self._progress, self._files = progress, files
        self._tiles = progress.add_task("", total=None, visible=False) if progress else None

    def file(self, name: str) -> None:
        """Work on a file begins."""
        if self._progress is not None and self._tiles is not None:
            self._progress.reset(self._tiles, description=name, total=None, visible=True)

    def tile(self, done: int, total: int) -> None:
        """A tile of the present file is done."""
        if self._progress is not None and self._tiles is not None:
            self._progress.update(self._tiles, completed=done, total=total)

    def advance(self) -> None:
        """A file is done."""
        if self._progress is not None and self._files is not None:
            self._progress.advance(self._files)


@contextmanager
def progress_bar(total: int, what: str, *, quiet: bool) -> Generator[Bar]:
    """A bar on stderr while the block runs: only on a terminal, and not when quiet."""
    if quiet or not sys.stderr.isatty():
        yield Bar(None, None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bar(progress, progress.add_task(what, total=total))


@contextmanager
def byte_bar(name: str, *, quiet: bool) -> Generator[Callable[[int, int], None] | None]:
    """What to tell (bytes here, in all) of a download; its bar shows with the first of it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns, TransferSpeedColumn(), console=Console(stderr=True), transient=True
    ) as progress:
        task = progress.add_task(name, total=None, visible=False)

        def on_bytes(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, visible=True)

        yield on_bytes
