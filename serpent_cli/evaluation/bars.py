"""What this project demands of its own models, case by case.

All is said of means over the photographs, but what a single one may lose, and what every cube must
be above a baseline.
"""

from dataclasses import dataclass, replace

from serpent_cli.evaluation.cases import CASES, CLEAN, REDUCTIONS, SHARP_PART
from serpent_cli.evaluation.cube_cases import DENOISE_CUBE, SNAPSHOT
from serpent_cli.evaluation.suite import CUT
from serpent_cli.evaluation.suite_names import FLAT
from serpent_cli.evaluation.trial import COLOURS

FLOOR = -0.05
"""Least mean gain of a restored picture in any case of any suite, in dB: nothing is made worse."""


@dataclass(frozen=True)
class Bar:
    """What one case must reach; None: not asked.

    Attributes:
        gain: Least mean gain over the input (over bicubic when enlarging), in dB.
        worst: Least gain of any photograph, in dB.
        share: Least mean gain as a part of the gain in the case `of`.
        of: That case.
        after: Least mean PSNR of what was to stay as it was, in dB.
        levels: Largest difference of any sample of that, in 1/255.
        low_frequency_rms: Most of the mean over the photographs, in 1/255; see `suite.Score`.
        over_baseline: Least gain of every single cube over what needs no training, in dB.
        smaller_angle: Whether the spectra of every cube must be nearer to the truth than its.
    """

    gain: float | None = None
    worst: float | None = None
    share: float | None = None
    of: str = ""
    after: float | None = None
    levels: float | None = None
    low_frequency_rms: float | None = None
    over_baseline: float | None = None
    smaller_angle: bool = False


def _partial() -> dict[str, Bar]:
    """A part that is blurred gains as if all were; what was sharp stays so."""
    cases = [case for case in CASES["partial"] if case.part]
    blurred = {
        case.name: Bar(FLOOR, share=0.85, of=f"{_even(case.name)}, same {case.part}")
        for case in cases
    }
    return blurred | {f"{case.name}, {SHARP_PART}": Bar(after=40.0) for case in cases}


def _even(name: str) -> str:
    return name.split(" ", 1)[1]


def _reduced() -> dict[str, Bar]:
    """No flaw of a small picture makes the large one worse than a bicubic enlargement."""
    least = {case.name: 0.0 for case in REDUCTIONS["upscale-real"]}
    noise = {"noise 5": 1.0, "noise 10": 0.9}
    gains = {
        2: {"bicubic": 3.2} | noise,
        4: {"bicubic": 1.75, "jpeg 90": 1.0, "jpeg 75": 0.7, "jpeg 50": 0.5} | noise,
        8: {"bicubic": 1.1} | noise,
    }
    bars = {
        f"{case} x{scale}{CUT}": Bar(gain)
        for scale, given in gains.items()
        for case, gain in (least | given).items()
    }
    for scale in gains:
        for case in ("box", "bilinear aliased"):
            name = f"{case} x{scale}{CUT}"
            bars[name] = replace(bars[name], share=0.7, of=f"bicubic x{scale}{CUT}")
    # Of the scale that has a style which invents texture: large shapes and colours stay.
    bars["bicubic x4"] = Bar(low_frequency_rms=1.5)
    return bars


_GAINS = {
    "gaussian 1.0": 3.1,
    "gaussian 1.6": 3.2,
    "gaussian 2.4": 2.8,
    "gaussian 1.6 noise 2": 2.7,
    "gaussian 5": 1.5,
    "disk 2": 2.2,
    "disk 6": 2.5,
    "defocus 4": 3.5,
    "defocus 6": 2.5,
    "defocus 8": 1.5,
    "motion 9": 1.0,
    "shake 10": 3.0,
    "shake 20": 2.0,
    "shake 35": 1.0,
    "jpeg 80 over gaussian 1.2": 1.0,
    "jpeg 10": 0.7,
    "jpeg 20": 0.7,
    "noise 25": 7.5,
    "bicubic x8": 0.6,
}

BARS: dict[str, Bar] = {
    **{case.name: Bar(FLOOR) for suite in CASES.values() for case in suite},
    **{case: Bar(gain) for case, gain in _GAINS.items()},
    **_partial(),
    **_reduced(),
    **{f"{FLAT} {colour}": Bar(levels=2.0) for colour in COLOURS},
    "pairs motion": Bar(0.8, worst=-0.05),
    CLEAN: Bar(after=42.0),
    **{case.name: Bar(FLOOR) for case in DENOISE_CUBE},
    "cube noise 25": Bar(FLOOR, over_baseline=2.0, smaller_angle=True),
    SNAPSHOT: Bar(FLOOR, over_baseline=3.0),
}
"""What each case must reach, by its name in the tables; other cases have no bar."""
