"""Scores of a restorer, photograph by photograph.

PSNR and SSIM of RGB over the whole frame; of a restorer that enlarges those of Y, over the whole
frame and, as published, once more with `scale` border pixels cut.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from serpent_cli.evaluation.metrics import psnr, rgb_to_y, ssim
from serpent_cli.evaluation.oracles import oracle_scores
from serpent_cli.evaluation.perceptual import Distance
from serpent_cli.evaluation.trial import Suite, Trial
from serpent_cli.imaging.picture import Picture

if TYPE_CHECKING:
    from serpent_cli.restoration.restorer import Restorer

OnFile = Callable[[int, int], None]
CUT = ", border cut"


@dataclass(frozen=True)
class Score:
    """One photograph in one case; PSNR in dB, of RGB or (when enlarging) of Y.

    Attributes:
        case: Name of the case; ends in ", border cut" where `scale` border pixels are left out.
        file: Name of the photograph.
        before: PSNR of the input, or of the bicubic enlargement; infinite for `clean`.
        after: PSNR of the restored picture.
        before_cropped: As `before`, with `scale` border pixels cut.
        after_cropped: As `after`, likewise.
        ssim_before: SSIM of the input, or of the bicubic enlargement.
        ssim_after: SSIM of the restored picture.
        seconds: Time that restoring took.
        lpips_before: LPIPS of the input or enlargement, if its weights are at hand.
        lpips_after: LPIPS of the restored picture, likewise.
        wiener: PSNR of the Wiener filter by its `balance`; empty if it was not asked.
        richardson_lucy: PSNR of Richardson-Lucy by its iterations; likewise.
        note: A reservation, such as that the model was not trained for the case.
    """

    case: str
    file: str
    before: float
    after: float
    before_cropped: float
    after_cropped: float
    ssim_before: float
    ssim_after: float
    seconds: float
    lpips_before: float | None = None
    lpips_after: float | None = None
    wiener: dict[float, float] = field(default_factory=dict[float, float])
    richardson_lucy: dict[int, float] = field(default_factory=dict[int, float])
    note: str = ""


def run_suite(
    restorer: "Restorer",
    suite: Suite,
    on_file: OnFile | None = None,
    *,
    oracles: bool = False,
    distance: Distance | None = None,
) -> list[Score]:
    """Score a restorer on every photograph of a suite, in the order of their names.

    Args:
        restorer: What a user would run.
        suite: Opened for the restorer's card.
        on_file: Called with (done, total).
        oracles: Also try deconvolution that knows the true kernel, where that is a Gaussian.
        distance: LPIPS, if its weights are at hand.

    Raises:
        PictureError: A photograph cannot be read or scored, or does not fit its partner.
    """
    scores: list[Score] = []
    for done, files in enumerate(suite.files, 1):
        for trial in suite.trials(files):
            scores += _scores(restorer, trial, oracles=oracles, distance=distance)
        if on_file is not None:
            on_file(done, len(suite.files))
    return scores


def restored(restorer: "Restorer", trial: Trial) -> NDArray[np.float64]:
    """What a user gets, (H, W, 3) in [0, 1]."""
    return restorer.restore(Picture(trial.given)).pixels / 255


def _scores(
    restorer: "Restorer", trial: Trial, *, oracles: bool, distance: Distance | None
) -> Iterator[Score]:
    begun = time.perf_counter()
    ours = restored(restorer, trial)
    seconds = time.perf_counter() - begun
    rgb = trial.before, ours, trial.truth
    enlarged, s = trial.scale > 1, trial.scale
    before, after, truth = (rgb_to_y(x) for x in rgb) if enlarged else rgb
    inner = (slice(s, -s), slice(s, -s)) if enlarged else ()
    cut = psnr(before[inner], truth[inner]), psnr(after[inner], truth[inner])
    wiener, richardson_lucy = {}, {}
    if oracles and trial.kernel is not None:
        wiener, richardson_lucy = oracle_scores(before, truth, trial.kernel)
    lpips = [None if distance is None else distance(x, trial.truth) for x in rgb[:2]]
    yield Score(
        trial.case, trial.file, psnr(before, truth), psnr(after, truth), *cut,
        ssim(before, truth), ssim(after, truth), seconds, lpips[0], lpips[1],
        wiener, richardson_lucy, trial.note,
    )  # fmt: skip
    if enlarged:
        yield Score(
            trial.case + CUT, trial.file, *cut, *cut, ssim(before[inner], truth[inner]),
            ssim(after[inner], truth[inner]), seconds, note=trial.note,
        )  # fmt: skip
