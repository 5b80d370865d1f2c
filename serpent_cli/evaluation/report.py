"""Scores summed up: means per case, and the bars that the project sets itself."""

import math
from collections.abc import Sequence
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
    bar: float | None
    met: bool | None


def summarise(scores: Sequence[Score]) -> list[Mean]:
    """Means per case, in the order in which the cases first appear."""
    cases = dict.fromkeys(score.case for score in scores)
    return [_mean(case, [score for score in scores if score.case == case]) for case in cases]


def _mean(case: str, scores: list[Score]) -> Mean:
    # An untouched clean picture is infinitely good; 99 dB keeps the mean finite and honest.
    after = [min(score.after, 99.0) for score in scores]
    mean_after = math.fsum(after) / len(after)
    if case == CLEAN:
        return Mean(
            case, len(scores), None, round(mean_after, 3), None, round(min(after), 3), None,
            CLEAN_BAR, mean_after >= CLEAN_BAR,
        )  # fmt: skip
    before = math.fsum(score.before for score in scores) / len(scores)
    cropped = math.fsum(s.after_cropped - s.before_cropped for s in scores) / len(scores)
    bar = BARS.get(case)
    gain = mean_after - before
    return Mean(
        case, len(scores), round(before, 3), round(mean_after, 3), round(gain, 3),
        round(min(after), 3), round(cropped, 3), bar, None if bar is None else gain >= bar,
    )  # fmt: skip


def rows(means: Sequence[Mean]) -> list[list[str]]:
    """A table of text: head, then one row per case."""

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.2f}"

    table = [["case", "files", "before dB", "after dB", "gain dB", "worst dB", "bar", "met"]]
    for mean in means:
        met = "" if mean.met is None else "yes" if mean.met else "NO"
        numbers = (mean.before, mean.after, mean.gain, mean.least_after, mean.bar)
        table.append([mean.case, str(mean.files), *map(number, numbers), met])
    return table


def records(means: Sequence[Mean], suite: str, photos: str) -> list[dict[str, Any]]:
    """What a card keeps of a suite: one record per case."""
    return [
        {
            "suite": suite, "photos": photos, "case": mean.case, "files": mean.files,
            "before_db": mean.before, "after_db": mean.after, "gain_db": mean.gain,
        }
        for mean in means
    ]  # fmt: skip
