"""Scores of a restorer, photograph by photograph.

PSNR and SSIM of RGB over the whole frame; of a restorer that enlarges those of Y, over the whole
frame and, as published, once more with `scale` border pixels cut. Where a case asks for parts of
the frame, one restoration is scored in each of them.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from serpent_cli.evaluation.metrics import (
    Array,
    SimilarityTo,
    psnr,
    reduced_rms,
    rgb_to_y,
    windows_inside,
)
from serpent_cli.evaluation.oracles import oracle_scores
from serpent_cli.evaluation.parts import Mask
from serpent_cli.evaluation.perceptual import Distance
from serpent_cli.evaluation.trial import BORDER_CUT, Suite, Trial
from serpent_cli.imaging.picture import Picture

if TYPE_CHECKING:
    from serpent_cli.restoration.restorer import Restorer

OnFile = Callable[[int, int], None]
CUT = f", {BORDER_CUT}"
LEVELS = 255


@dataclass(frozen=True)
class Score:
    """One photograph in one case; PSNR in dB, of RGB or (when enlarging) of Y.

    Attributes:
        case: Name of the case, and after a comma of the part of the frame that is scored; ends in
            ", border cut" where `scale` border pixels are left out.
        file: Name of the photograph.
        before: PSNR of the input, or of the bicubic enlargement; infinite where nothing is to be
            done, as for `clean`.
        after: PSNR of the restored picture.
        before_cropped: As `before`, with `scale` border pixels cut.
        after_cropped: As `after`, likewise.
        ssim_before: SSIM of the input, or of the bicubic enlargement.
        ssim_after: SSIM of the restored picture.
        seconds: Time that restoring took.
        st_lpips_before: ST-LPIPS of the input or enlargement, if it was asked.
        st_lpips_after: ST-LPIPS of the restored picture, likewise.
        wiener: PSNR of the Wiener filter by its `balance`; empty if it was not asked.
        richardson_lucy: PSNR of Richardson-Lucy by its iterations; likewise.
        note: A reservation, such as that the model was not trained for the case.
        part: The part of the frame, as the case's name has it; empty: what the case is about.
        levels: Largest difference of a sample from the truth, in 1/255, where nothing is to be
            done; None elsewhere.
        low_frequency_rms: Difference of the result's bicubic reduction from the input, rms in
            1/255, where that is such a reduction; None elsewhere.
        sam_before: Mean angle between the spectra of a cube and the truth, degrees; PSNR and SSIM
            are then means over bands. None of photographs, and where all is black.
        sam_after: The same of the restored cube.
        baseline: Name of the method that needs no training and stands beside; empty: none does.
        baseline_after: PSNR of its result.
        baseline_ssim: SSIM of its result.
        baseline_sam: Angle of its result.
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
    st_lpips_before: float | None = None
    st_lpips_after: float | None = None
    wiener: dict[float, float] = field(default_factory=dict[float, float])
    richardson_lucy: dict[int, float] = field(default_factory=dict[int, float])
    note: str = ""
    part: str = ""
    levels: float | None = None
    low_frequency_rms: float | None = None
    sam_before: float | None = None
    sam_after: float | None = None
    baseline: str = ""
    baseline_after: float | None = None
    baseline_ssim: float | None = None
    baseline_sam: float | None = None


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
        distance: ST-LPIPS, of whole frames; None: it is left out.

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
    before, after, truth = (rgb_to_y(x) for x in rgb) if trial.scale > 1 else rgb
    similarity = SimilarityTo(truth)
    alike = [_Alike(x, truth, similarity.map(x)) for x in (before, after)]
    figures = {part: [x.figures(mask) for x in alike] for part, mask in trial.parts.items()}
    wiener, richardson_lucy = {}, {}
    if oracles and trial.kernel is not None:
        wiener, richardson_lucy = oracle_scores(before, truth, trial.kernel)
    whole = distance is not None and trial.parts[""] is None
    lpips = [distance(x, trial.truth) for x in rgb[:2]] if distance and whole else [None, None]
    for part, ((first, ssim_first), (last, ssim_last)) in figures.items():
        cut = [psnr for psnr, _ in figures.get(BORDER_CUT, figures[part])]
        own: dict[str, Any] = {}  # what is known of the case, not of each part of it
        if not part:
            own = {"st_lpips_before": lpips[0], "st_lpips_after": lpips[1]}
            own |= {"wiener": wiener, "richardson_lucy": richardson_lucy}
            if trial.reduced:
                own["low_frequency_rms"] = reduced_rms(ours, trial.given / 255)
        yield Score(
            f"{trial.case}, {part}" if part else trial.case, trial.file, first, last, cut[0],
            cut[1], ssim_first, ssim_last, seconds, note=trial.note, part=part,
            levels=_levels(ours, trial.truth, trial.parts[part]) if math.isinf(first) else None,
            **own,
        )  # fmt: skip


@dataclass(frozen=True)
class _Alike:
    """A picture and the truth, and their map of SSIM: what is measured in any part."""

    picture: Array
    truth: Array
    similarity: Array

    def figures(self, part: Mask | None) -> tuple[float, float]:
        """PSNR in dB, and SSIM of the windows wholly inside the part."""
        if part is None:
            return psnr(self.picture, self.truth), float(self.similarity.mean())
        inside = self.similarity[windows_inside(part)]
        return psnr(self.picture[part], self.truth[part]), float(inside.mean())


def _levels(picture: Array, truth: Array, part: Mask | None) -> float:
    difference = np.abs(picture - truth) if part is None else np.abs(picture - truth)[part]
    return float(difference.max() * LEVELS)
