"""Scores summed up: means per case, and whether they reach the project's bars."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from serpent_cli.evaluation.bars import BARS, Bar
from serpent_cli.evaluation.suite import Score

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
        gain: after - before; None where the inputs equal the truth, which nothing can improve.
        least_after: The worst photograph's PSNR.
        gain_cropped: As `gain`, with `scale` border pixels cut.
        ssim_before: Mean SSIM of the inputs (of bicubic when enlarging).
        ssim_after: Mean SSIM of the restored pictures.
        seconds: Mean time that restoring took.
        bar: What this project demands of `gain`; where that is None, the most that it allows of
            `levels` or else the least of `after`; None: nothing.
        met: Whether this bar, `worst_bar` and `low_frequency_bar` are reached.
        st_lpips_before: Mean ST-LPIPS of the inputs; None where it was not computed.
        st_lpips_after: Mean ST-LPIPS of the restored pictures; likewise.
        wiener: PSNR of the Wiener filter with the best balance; None where it was not asked.
        wiener_balance: That balance.
        richardson_lucy: PSNR of Richardson-Lucy with the best number of iterations; likewise.
        richardson_lucy_iterations: That number.
        over_oracles: after - the better of the two.
        note: A reservation, such as that the model was not trained for the case.
        least_gain: The gain of the photograph that gains least; None as for `gain`.
        worst_bar: What this project demands of `least_gain`; None: nothing.
        share: `gain` as a part of the gain in the case that the bar compares it with: the same
            part when all is blurred, or the clean reduction; None where there is none.
        levels: Largest difference of a sample from the truth, in 1/255, where `gain` is None.
        low_frequency_rms: Mean difference of the results' bicubic reductions from the inputs, rms
            in 1/255; None where the inputs are no such reductions.
        low_frequency_bar: The most that this project allows of it; None: nothing is said.
        sam_before: Mean angle between the spectra of the inputs and the truth, degrees; None of
            photographs.
        sam_after: The same of the restored cubes.
        baseline: Name of the method that needs no training and stands beside; empty: none does.
        baseline_after: PSNR of its results.
        baseline_ssim: SSIM of its results.
        baseline_sam: Angle of its results.
        over_baseline: after - baseline_after.
        least_over_baseline: The same of the cube of which it is least.
        baseline_bar: What this project demands of `least_over_baseline`; None: nothing.
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
    st_lpips_before: float | None = None
    st_lpips_after: float | None = None
    wiener: float | None = None
    wiener_balance: float | None = None
    richardson_lucy: float | None = None
    richardson_lucy_iterations: int | None = None
    over_oracles: float | None = None
    note: str = ""
    least_gain: float | None = None
    worst_bar: float | None = None
    share: float | None = None
    levels: float | None = None
    low_frequency_rms: float | None = None
    low_frequency_bar: float | None = None
    sam_before: float | None = None
    sam_after: float | None = None
    baseline: str = ""
    baseline_after: float | None = None
    baseline_ssim: float | None = None
    baseline_sam: float | None = None
    over_baseline: float | None = None
    least_over_baseline: float | None = None
    baseline_bar: float | None = None


def summarise(scores: Sequence[Score]) -> list[Mean]:
    """Means per case, in the order in which the cases first appear."""
    cases: dict[str, list[Score]] = {}
    for score in scores:
        cases.setdefault(score.case, []).append(score)
    gains = {case: _gain(each) for case, each in cases.items()}
    return [_mean(case, each, gains) for case, each in cases.items()]


def _gain(scores: Sequence[Score]) -> float | None:
    """In dB; None where the inputs equal the truth."""
    if all(math.isinf(score.before) for score in scores):
        return None
    return _average(s.after for s in scores) - _average(s.before for s in scores)


def _average(values: Iterable[float]) -> float:
    # Equal pictures are infinitely good; a ceiling keeps the mean finite and honest.
    capped = [min(value, CEILING) for value in values]
    return math.fsum(capped) / len(capped)


def _mean(case: str, scores: list[Score], gains: Mapping[str, float | None]) -> Mean:
    before, after = _average(s.before for s in scores), _average(s.after for s in scores)
    cropped = _average(s.after_cropped for s in scores) - _average(s.before_cropped for s in scores)
    nothing_to_do = gains[case] is None
    balance, wiener = _best([s.wiener for s in scores])
    iterations, richardson_lucy = _best([s.richardson_lucy for s in scores])
    rivals = [value for value in (wiener, richardson_lucy) if value is not None]
    return Mean(
        case=case,
        files=len(scores),
        before=None if nothing_to_do else round(before, 3),
        after=round(after, 3),
        gain=None if nothing_to_do else round(after - before, 3),
        least_after=round(min(*(s.after for s in scores), CEILING), 3),
        gain_cropped=None if nothing_to_do else round(cropped, 3),
        ssim_before=round(_average(s.ssim_before for s in scores), 4),
        ssim_after=round(_average(s.ssim_after for s in scores), 4),
        seconds=round(_average(s.seconds for s in scores), 3),
        st_lpips_before=_average_if_known([s.st_lpips_before for s in scores]),
        st_lpips_after=_average_if_known([s.st_lpips_after for s in scores]),
        wiener=wiener,
        wiener_balance=balance,
        richardson_lucy=richardson_lucy,
        richardson_lucy_iterations=iterations,
        over_oracles=round(after - max(rivals), 3) if rivals else None,
        note=scores[0].note,
        **_of_cubes(scores),
        **_judgement(scores, gains, BARS.get(case, Bar())),
    )


def _judgement(
    scores: Sequence[Score], gains: Mapping[str, float | None], bar: Bar
) -> dict[str, Any]:
    """The bar as figures of this run, what is measured against it alone, and whether it is met."""
    gain, even = gains[scores[0].case], gains.get(bar.of)
    if gain is None:
        after = _average(s.after for s in scores)
        levels = max(s.levels or 0.0 for s in scores)
        asked, met = (
            (bar.levels, levels <= bar.levels)
            if bar.levels is not None
            else (bar.after, bar.after is None or after >= bar.after)
        )
        return {"bar": asked, "met": None if asked is None else met, "levels": round(levels, 2)}
    wanted = [bar.gain, bar.share * even if bar.share is not None and even is not None else None]
    asked = max((value for value in wanted if value is not None), default=None)
    least = min(min(s.after, CEILING) - min(s.before, CEILING) for s in scores)
    changed = _average_if_known([s.low_frequency_rms for s in scores])
    most = None if changed is None else bar.low_frequency_rms
    bettered = bar.over_baseline if scores[0].baseline else None
    reached = [
        asked is None or gain >= asked,
        bar.worst is None or least >= bar.worst,
        changed is None or most is None or changed <= most,
        bettered is None or _betters(scores, bettered, angles=bar.smaller_angle),
    ]
    limits = asked, bar.worst, most, bettered
    return {
        "bar": None if asked is None else round(asked, 3),
        "met": all(reached) if any(x is not None for x in limits) else None,
        "baseline_bar": bettered,
        "low_frequency_rms": changed,
        "low_frequency_bar": most,
        "least_gain": round(least, 3),
        "worst_bar": bar.worst,
        "share": round(gain / even, 3) if even is not None and even > 0 else None,
    }


def _of_cubes(scores: Sequence[Score]) -> dict[str, Any]:
    """Angles, and the method that stands beside; nothing of photographs."""
    if not scores[0].baseline:
        return {}
    over = [s.after - (s.baseline_after or 0.0) for s in scores]
    return {
        "sam_before": _average_if_known([s.sam_before for s in scores]),
        "sam_after": _average_if_known([s.sam_after for s in scores]),
        "baseline": scores[0].baseline,
        "baseline_after": _average_if_known([s.baseline_after for s in scores]),
        "baseline_ssim": _average_if_known([s.baseline_ssim for s in scores]),
        "baseline_sam": _average_if_known([s.baseline_sam for s in scores]),
        "over_baseline": round(_average(over), 3),
        "least_over_baseline": round(min(over), 3),
    }


def _betters(scores: Sequence[Score], least: float, *, angles: bool) -> bool:
    """Whether each cube is so much above the baseline, and of a smaller angle where asked."""
    return all(
        s.after - (s.baseline_after or 0.0) >= least
        and not (angles and (s.sam_after or 0.0) >= (s.baseline_sam or 0.0))
        for s in scores
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
    return round(math.fsum(known) / len(known), 4) if known else None


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
        "st_lpips_before": mean.st_lpips_before,
        "st_lpips_after": mean.st_lpips_after,
        "note": mean.note or None,
        "worst_gain_db": mean.least_gain,
        "share": mean.share,
        "levels": mean.levels,
        "low_frequency_rms": mean.low_frequency_rms,
        "sam_before": mean.sam_before,
        "sam_after": mean.sam_after,
        "baseline": mean.baseline or None,
        "baseline_db": mean.baseline_after,
        "baseline_ssim": mean.baseline_ssim,
        "baseline_sam": mean.baseline_sam,
        "over_baseline_db": mean.over_baseline,
        "least_over_baseline_db": mean.least_over_baseline,
    }
    return {name: value for name, value in more.items() if value is not None}
