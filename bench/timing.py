"""Timing, and the rows of a table."""

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        case: What was measured.
        value: The figure.
        unit: Its unit.
        limit: What it is compared with, in the same unit; None: nothing.
        bar: Largest value / limit (or largest value, without a limit) that the project accepts.
    """

    case: str
    value: float
    unit: str
    limit: float | None = None
    bar: float | None = None

    @property
    def ratio(self) -> float:
        """The value over its limit."""
        return self.value / (self.limit or 1.0)

    @property
    def met(self) -> bool | None:
        """Whether the bar is reached; None without one."""
        return None if self.bar is None else self.ratio <= self.bar


def fastest(function: Callable[[], object], runs: int = 5, least: float = 1.0) -> float:
    """Seconds of the fastest of `runs` runs and of `least` seconds of them, after one to warm up.

    What else runs on the machine only adds time: the minimum is what the code itself takes.
    """
    function()
    best, spent, done = float("inf"), 0.0, 0
    while done < runs or spent < least:
        begun = time.perf_counter()
        function()
        seconds = time.perf_counter() - begun
        best, spent, done = min(best, seconds), spent + seconds, done + 1
    return best


def median(function: Callable[[], object], device: torch.device, runs: int = 20) -> float:
    """Seconds of the median run on a device, after three to warm up.

    On CUDA by a pair of events around each run, all queued at once, so that what the host does
    between the launches counts only where the device waits for it.
    """
    for _ in range(3):
        function()
    if device.type != "cuda":
        begun = [time.perf_counter()]
        for _ in range(runs):
            function()
            begun.append(time.perf_counter())
        return statistics.median(b - a for a, b in itertools.pairwise(begun))
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(runs + 1)]
    marks[0].record()
    for mark in marks[1:]:
        function()
        mark.record()
    torch.cuda.synchronize(device)
    return statistics.median(a.elapsed_time(b) for a, b in itertools.pairwise(marks)) / 1e3


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned text."""
    cells = [["case", "value", "limit", "ratio", "bar", "met"]]
    for row in rows:
        limit = "" if row.limit is None else f"{row.limit:.3g} {row.unit}"
        ratio = "" if row.limit is None else f"{row.ratio:.2f}"
        bar = "" if row.bar is None else f"{row.bar:g}"
        met = "" if row.met is None else "yes" if row.met else "NO"
        cells.append([row.case, f"{row.value:.4g} {row.unit}", limit, ratio, bar, met])
    widths = [max(len(line[i]) for line in cells) for i in range(6)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )
