"""Scores summed up: means per case, and the bars that the project sets itself."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from serpent_cli.evaluation.suite import CLEAN, Score

BARS: dict[str, float] = {
    "gaussian 1.0": 2.5,
    "gaussian 1.6": 2.5,
    "gaussian 2.4": 2.5,
    "disk 2": 1.0,
    "motion 9": 1.0,
    "jpeg 80 over gaussian 1.2": 1.0,
    "bicubic x8": 0.6,
}
"""Least mean gain over the input (over bicubic when enlarging), in dB."""

CLEAN_BAR = 36.0
"""Least mean PSNR of a sharp clean picture's restoration against itself, in dB."""

CEILING = 99.0
"""PSNR that equal pictures count as, in dB."""

HEAD = [
    "case", "files", "before dB", "after dB", "gain dB", "border cut", "worst dB",
    "SSIM before", "SSIM after", "seconds", "bar", "met",
]  # fmt: skip


@dataclass(frozen=True)
class Mean:
    """One case over all photographs; PSNR in dB, means of the files' values.

    Attributes:
        case: Name of the case.
        files: Photographs.
        before: PSNR of the input (of bicubic when enlarging).
        after: PSNR of the restored pictures.
        gain: after - before; None for clean inputs, which nothing can improve.
        least_after: The worst photograph's PSNR.
        gain_cropped: As `gain`, with `scale` border pixels cut.
        ssim_before: Mean SSIM of the inputs (of bicubic when enlarging).
        ssim_after: Mean SSIM of the restored pictures.
        seconds: Mean time that restoring took.
        bar: What this project demands of `gain`, or of `after` for clean inputs; None: nothing.
        met: Whether it is reached.
    """

    case: str
    files: int
    before: float | None
    after: float
    gain: float | None
    least_after: float
    gain_cropped: float | None
    ssim_before: float
    ssim_after: float
    seconds: float
    bar: float | None
    met: bool | None


def summarise(scores: Sequence[Score]) -> list[Mean]:
    """Means per case, in the order in which the cases first appear."""
    cases = dict.fromkeys(score.case for score in scores)
    return [_mean(case, [score for score in scores if score.case == case]) for case in cases]


def _mean(case: str, scores: list[Score]) -> Mean:
    def average(values: Iterable[float]) -> float:
        # Equal pictures are infinitely good; a ceiling keeps the mean finite and honest.
        return math.fsum(min(value, CEILING) for value in values) / len(scores)

    before, after = average(s.before for s in scores), average(s.after for s in scores)
    cropped = average(s.after_cropped for s in scores) - average(s.before_cropped for s in scores)
    clean = case == CLEAN
    bar = CLEAN_BAR if clean else BARS.get(case)
    reached = after if clean else after - before
    return Mean(
        case=case,
        files=len(scores),
        before=None if clean else round(before, 3),
        after=round(after, 3),
        gain=None if clean else round(after - before, 3),
        least_after=round(min(*(s.after for s in scores), CEILING), 3),
        gain_cropped=None if clean else round(cropped, 3),
        ssim_before=round(average(s.ssim_before for s in scores), 4),
        ssim_after=round(average(s.ssim_after for s in scores), 4),
        seconds=round(average(s.seconds for s in scores), 3),
        bar=bar,
        met=None if bar is None else reached >= bar,
    )


def rows(means: Sequence[Mean]) -> list[list[str]]:
    """A table of text: head, then one row per case."""

    def number(value: float | None, digits: int = 2) -> str:
        return "" if value is None else f"{value:.{digits}f}"

    table = [HEAD]
    for mean in means:
        met = "" if mean.met is None else "yes" if mean.met else "NO"
        decibels = (mean.before, mean.after, mean.gain, mean.gain_cropped, mean.least_after)
        similar = (number(value, 4) for value in (mean.ssim_before, mean.ssim_after))
        middle = [*map(number, decibels), *similar, number(mean.seconds), number(mean.bar)]
        table.append([mean.case, str(mean.files), *middle, met])
    return table


def markdown(means: Sequence[Mean]) -> str:
    """The same table for a page of documentation."""
    head, *body = rows(means)
    ruler = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ruler, *body)) + "\n"


def records(means: Sequence[Mean], suite: str, photos: str) -> list[dict[str, Any]]:
    """What a card keeps of a suite: one record per case.

    Args:
        means: The scores.
        suite: Name of the suite.
        photos: Name of the set of photographs.
    """
    return [
        {
            "suite": suite, "photos": photos, "case": mean.case, "files": mean.files,
            "before_db": mean.before, "after_db": mean.after, "gain_db": mean.gain,
            "worst_db": mean.least_after, "ssim_before": mean.ssim_before,
            "ssim_after": mean.ssim_after,
        }
        for mean in means
    ]  # fmt: skip
