"""Scores summed up: means per case, and the bars that the project sets itself."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from serpent_cli.evaluation.cases import CASES, CLEAN
from serpent_cli.evaluation.suite import Score

BARS: dict[str, float] = {
    "gaussian 1.0": 2.5,
    "gaussian 1.6": 2.5,
    "gaussian 2.4": 2.5,
    "gaussian 1.6 noise 2": 2.7,
    "disk 2": 1.0,
    "motion 9": 1.0,
    "jpeg 80 over gaussian 1.2": 1.0,
    "bicubic x8": 0.6,
    "bicubic x8, border cut": 0.9,
    **{case.name: 0.0 for case in CASES["beyond"]},
}
"""Least mean gain over the input (over bicubic when enlarging), in dB."""

CLEAN_BAR = 36.0
"""Least mean PSNR of a sharp clean picture's restoration against itself, in dB."""

CEILING = 99.0
"""PSNR that equal pictures count as, in dB."""

Parameter = TypeVar("Parameter", int, float)


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
        lpips_before: Mean LPIPS of the inputs; None where it was not computed.
        lpips_after: Mean LPIPS of the restored pictures; likewise.
        wiener: PSNR of the Wiener filter with the best balance; None where it was not asked.
        wiener_balance: That balance.
        richardson_lucy: PSNR of Richardson-Lucy with the best number of iterations; likewise.
        richardson_lucy_iterations: That number.
        over_oracles: after - the better of the two.
        note: A reservation, such as that the model was not trained for the case.
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
    lpips_before: float | None = None
    lpips_after: float | None = None
    wiener: float | None = None
    wiener_balance: float | None = None
    richardson_lucy: float | None = None
    richardson_lucy_iterations: int | None = None
    over_oracles: float | None = None
    note: str = ""


def summarise(scores: Sequence[Score]) -> list[Mean]:
    """Means per case, in the order in which the cases first appear."""
    cases = dict.fromkeys(score.case for score in scores)
    return [_mean(case, [score for score in scores if score.case == case]) for case in cases]


def _average(values: Iterable[float]) -> float:
    # Equal pictures are infinitely good; a ceiling keeps the mean finite and honest.
    capped = [min(value, CEILING) for value in values]
    return math.fsum(capped) / len(capped)


def _mean(case: str, scores: list[Score]) -> Mean:
    before, after = _average(s.before for s in scores), _average(s.after for s in scores)
    cropped = _average(s.after_cropped for s in scores) - _average(s.before_cropped for s in scores)
    clean = case == CLEAN
    bar = CLEAN_BAR if clean else BARS.get(case)
    reached = after if clean else after - before
    balance, wiener = _best([s.wiener for s in scores])
    iterations, richardson_lucy = _best([s.richardson_lucy for s in scores])
    rivals = [value for value in (wiener, richardson_lucy) if value is not None]
    return Mean(
        case=case,
        files=len(scores),
        before=None if clean else round(before, 3),
        after=round(after, 3),
        gain=None if clean else round(after - before, 3),
        least_after=round(min(*(s.after for s in scores), CEILING), 3),
        gain_cropped=None if clean else round(cropped, 3),
        ssim_before=round(_average(s.ssim_before for s in scores), 4),
        ssim_after=round(_average(s.ssim_after for s in scores), 4),
        seconds=round(_average(s.seconds for s in scores), 3),
        bar=bar,
        met=None if bar is None else reached >= bar,
        lpips_before=_average_if_known([s.lpips_before for s in scores]),
        lpips_after=_average_if_known([s.lpips_after for s in scores]),
        wiener=wiener,
        wiener_balance=balance,
        richardson_lucy=richardson_lucy,
        richardson_lucy_iterations=iterations,
        over_oracles=round(after - max(rivals), 3) if rivals else None,
        note=scores[0].note,
    )


def _best(
    by_parameter: Sequence[Mapping[Parameter, float]],
) -> tuple[Parameter | None, float | None]:
    """The parameter with the best mean over all photographs, and that mean."""
    means = {x: _average(each[x] for each in by_parameter) for x in by_parameter[0]}
    if not means:
        return None, None
    best = max(means, key=means.__getitem__)
    return best, round(means[best], 3)


def _average_if_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(_average(known), 4) if known else None


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
        | _more(mean)
        for mean in means
    ]  # fmt: skip


def _more(mean: Mean) -> dict[str, Any]:
    """What only some cases have."""
    more = {
        "wiener_db": mean.wiener,
        "richardson_lucy_db": mean.richardson_lucy,
        "lpips_before": mean.lpips_before,
        "lpips_after": mean.lpips_after,
        "note": mean.note or None,
    }
    return {name: value for name, value in more.items() if value is not None}
