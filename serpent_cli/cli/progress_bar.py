"""Progress on standard error: a bar on a terminal, else nothing here (see `outcome`)."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from serpent_cli.cli.screen import EMPTY, FULL, Work
from serpent_cli.filenames import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

PER_SECOND = 8  # how often a screen is drawn

ASCII = "#", "-"  # bars for terminals that know no others


class Bar:
    """Tells a screen what happens; without one it tells nobody.

    Args:
        work: What the screen shows; None: there is no screen.
        begin: Shows the screen.
    """

    def __init__(self, work: Work | None, begin: Callable[[], object] = lambda: None) -> None:
        self._work, self._begin = work, begin
        self._ask: Callable[[], None] = lambda: None

    @property
    def shown(self) -> bool:
        """Whether anybody looks."""
        return self._work is not None

    def begin(self) -> None:
        """Show the screen; without this it comes with the first file."""
        begin, self._begin = self._begin, lambda: None
        begin()

    def file(self, name: str, pixels: int = 0) -> None:
        """Work on a file begins, which has so many pixels to restore."""
        self.begin()
        if self._work is not None:
            self._work.file(name, pixels, time.monotonic())

    def tile(self, done: int, total: int) -> None:
        """So many tiles of the present file are done."""
        self.ask()  # else what is still to be heard of this tile would count for the next one
        if self._work is not None:
            self._work.parts, self._work.inside = (done, total), 0.0

    def inside(self, share: float) -> None:
        """A share of the present tile is done; what is less than before is not shown.

        A GPU begins the next tile before `tile` has counted this one.
        """
        if self._work is not None:
            self._work.inside = max(self._work.inside, min(share, 0.999))  # until `tile` counts it

    @contextmanager
    def asking(self, ask: Callable[[], None]) -> Generator[None]:
        """Within, `ask` is called before the screen is drawn; it answers by `inside`."""
        self._ask = ask
        try:
            yield
        finally:
            self._ask = lambda: None

    def ask(self) -> None:
        """Have a device that works by itself say how far it is."""
        self._ask()

    def advance(self, *, quick: bool = False) -> None:
        """A file is done; a quick one needed no work."""
        if self._work is not None:
            self._work.done += 1
            self._work.quick += quick or self._work.started is None

    def crowd(self) -> None:
        """Several files are worked on at once from here on: only their number is shown."""
        if self._work is not None:
            self._work.steady = False
            self._work.started = time.monotonic()


def on_terminal() -> bool:
    """Whether standard error is one, so that bars can be shown."""
    return sys.stderr.isatty()


@contextmanager
def progress_bar(total: int, what: str, *, quiet: bool, unit: str = "tiles") -> Generator[Bar]:
    """A bar on stderr while the block runs: only on a terminal, and not when quiet.

    Args:
        total: Files in all.
        what: What to call them.
        quiet: Show nothing.
        unit: What each is counted in.
    """
    if quiet or not on_terminal():
        yield Bar(None)
        return
    work = Work(total, what, unit, begun=time.monotonic())
    with ExitStack() as stack:
        bar = Bar(work, lambda: stack.enter_context(_live(work, bar.ask)))
        yield bar


def _live(work: Work, ask: Callable[[], None]) -> "Live":
    """A screen that is drawn anew and anew, each time after `ask`; it goes with its context."""
    from rich.live import Live
    from rich.text import Text

    console = _console()
    signs = (FULL, EMPTY) if _can_show(FULL + EMPTY) else ASCII

    def screen() -> Text:
        ask()
        return Text("\n".join(work.lines(time.monotonic(), console.width, signs)), no_wrap=True)

    return Live(
        console=console, get_renderable=screen, transient=True, refresh_per_second=PER_SECOND,
        redirect_stdout=sys.stdout.isatty(),
    )  # fmt: skip


@contextmanager
def byte_bar(name: str, *, quiet: bool) -> Generator[Callable[[int, int], None] | None]:
    """What to tell (bytes here, in all) of a download; its bar shows with the first of it."""
    if quiet or not on_terminal():
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
    from rich.table import Column

    column = Column(no_wrap=True, overflow="ellipsis", max_width=32)
    named = TextColumn("{task.description}", markup=False, table_column=column)
    with Progress(
        named, BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=_console(),
        transient=True, redirect_stdout=sys.stdout.isatty(),
    ) as progress:  # fmt: skip
        task = progress.add_task(printable(name), total=None, visible=False)

        def on_bytes(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, visible=True)

        yield on_bytes


def _console() -> "Console":
    from rich.console import Console

    return Console(stderr=True)


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stderr.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
