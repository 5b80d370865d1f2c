"""What a progress bar says, as plain lines that fit a terminal; nothing here draws."""

from dataclasses import dataclass, field

from serpent_cli.filenames import printable

NARROWEST_NAME, WIDEST_NAME = 12, 32
NARROWEST_BAR, WIDEST_BAR = 6, 40
FULL, EMPTY = "━", "─"


@dataclass
class Work:
    """How far a run has come.

    Attributes:
        total: Files in all.
        what: What to call them, such as `pictures`.
        unit: What a file is counted in.
        begun: When the run began; all times are seconds of one clock.
        done: Files finished.
        quick: Of them, those that needed no work, which say nothing about the speed.
        name: Of the present file; empty before the first.
        since: When the present file began.
        pixels: Of the present file; 0 if that is not known.
        parts: (done, in all) of the present file; None before it is known.
        inside: Share of the present part that is done, 0 to 1.
        reached: Files whose turn has come, one after the other.
        steady: Whether files are worked on one after the other, so that there is a present one.
    """

    total: int
    what: str
    unit: str = "tiles"
    begun: float = 0.0
    done: int = 0
    quick: int = 0
    name: str = ""
    since: float = 0.0
    pixels: int = 0
    parts: tuple[int, int] | None = None
    inside: float = 0.0
    steady: bool = True
    reached: int = 0
    started: float | None = field(default=None)

    def file(self, name: str, pixels: int, now: float) -> None:
        """Work on a file begins."""
        self.name, self.pixels, self.since = name, pixels, now
        self.parts, self.inside = None, 0.0
        self.reached += 1
        if self.started is None:
            self.started = now

    def share(self) -> float:
        """How much of the present file is done, 0 to 1."""
        if self.parts is None or not self.parts[1]:
            return 0.0
        return min(1.0, (self.parts[0] + self.inside) / self.parts[1])

    def left(self, now: float) -> float | None:
        """Seconds that the present file will still take; None while nobody knows."""
        share = self.share()
        return (now - self.since) * (1 - share) / share if share > 0 else None

    def finished(self) -> int:
        """Files behind the present one; the result of the last is heard of later."""
        return max(self.done, self.quick + self.reached - 1) if self.steady else self.done

    def left_in_all(self, now: float) -> float | None:
        """Seconds that the whole run will still take; None while nobody knows."""
        share = self.share() if self.steady else 0.0
        finished = self.finished()
        worked, remaining = finished - self.quick + share, self.total - finished - share
        if self.started is None or worked <= 0:
            return None
        return (now - self.started) * max(0.0, remaining) / worked

    def lines(self, now: float, width: int, signs: tuple[str, str] = (FULL, EMPTY)) -> list[str]:
        """What to show: the present file, and all of them where there are several.

        Args:
            now: The time.
            width: Columns of the terminal; no line is longer, down to 30.
            signs: What full and empty cells of a bar look like.
        """
        shown: list[str] = []
        if self.steady and self.name:
            shown.append(_line(printable(self.name), self.share(), self._facts(now), width, signs))
        if self.total > 1 or not shown:
            finished = self.finished()
            count = f"{finished} of {self.total} {self.what}"
            within = self.share() if self.steady and finished < self.total else 0.0
            facts = [clock(now - self.begun), _eta(self.left_in_all(now))]
            share = (finished + within) / max(1, self.total)
            shown.append(_line(count, share, facts, width, signs))
        return shown

    def _facts(self, now: float) -> list[str]:
        seconds, share = now - self.since, self.share()
        facts = [self._count(share)]
        if self.pixels and share > 0 and seconds > 0:
            facts.append(f"{_speed(self.pixels * share / 1e6 / seconds)} MP/s")
        return [*facts, clock(seconds), _eta(self.left(now))]

    def _count(self, share: float) -> str:
        """Of parts; in percent where there is only one."""
        if self.parts is None:
            return ""
        done, total = self.parts
        return f"{share:.0%}" if total == 1 else f"{done}/{total} {self.unit}"


def clock(seconds: float) -> str:
    """As `0:07`, `12:34` or `1:02:03`."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _eta(seconds: float | None) -> str:
    return "" if seconds is None else f"ETA {clock(seconds)}"


def _speed(megapixels: float) -> str:
    """Two digits that count."""
    return f"{megapixels:.2f}" if megapixels < 10 else f"{megapixels:.0f}"


def _line(name: str, share: float, facts: list[str], width: int, signs: tuple[str, str]) -> str:
    """Name, bar and facts, in this many columns; the least important go if there is no room."""
    from rich.cells import cell_len, set_cell_size

    told = [fact for fact in facts if fact]
    least = NARROWEST_NAME + 1 + NARROWEST_BAR
    while len(told) > 1 and least + _length(told) >= width:
        del told[_dispensable(told)]
    room = width - 1 - _length(told)  # the last column stays free: some terminals wrap there
    bar = max(0, min(WIDEST_BAR, max(NARROWEST_BAR, room - WIDEST_NAME - 1)))
    wide = max(1, min(WIDEST_NAME, room - bar - 1))
    if cell_len(name) > wide:
        name = set_cell_size(name, wide - 1) + "…"
    full = int(bar * min(1.0, share))
    cells = signs[0] * full + signs[1] * (bar - full)
    return "  ".join([f"{set_cell_size(name, wide)} {cells}", *told])


def _length(facts: list[str]) -> int:
    return sum(len(fact) + 2 for fact in facts)


def _dispensable(facts: list[str]) -> int:
    """Which fact to leave out first: the speed, else the first."""
    return next((i for i, fact in enumerate(facts) if fact.endswith("MP/s")), 0)
