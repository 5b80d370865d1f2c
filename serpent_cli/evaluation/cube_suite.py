"""Scores of what restores cubes, cube by cube: MPSNR, mean SSIM of the bands and spectral angle.

`denoise-cube` scores a `CubeDenoiser`, `reconstruct` what `serpent reconstruct` runs; each beside a
baseline that needs no training. Results are clipped to [0, 1], as a file of whole numbers is.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from serpent_cli.cubes.cube import Cube
from serpent_cli.degrade.cassi import WAVELENGTHS, shift_back
from serpent_cli.errors import ModelError, NoInputError
from serpent_cli.evaluation.baselines import GAP_TV, NON_LOCAL_MEANS, non_local_means
from serpent_cli.evaluation.cube_cases import DENOISE_CUBE, SNAPSHOT, Floats, scene_of, snapshot
from serpent_cli.evaluation.cube_folder import read_clean
from serpent_cli.evaluation.cube_metrics import score_cube
from serpent_cli.evaluation.suite import OnFile, Score
from serpent_cli.restoration.snapshot import Method, reconstruct
from serpent_cli.zoo.card import Card

if TYPE_CHECKING:
    from torch import nn

    from serpent_cli.restoration.cube_denoiser import CubeDenoiser


@dataclass(frozen=True)
class CubeTrial:
    """One cube in one case; all cubes (T, H, W), of one shape.

    Attributes:
        case: Name of the case.
        file: Name of the cube's file.
        truth: In [0, 1].
        before: What a user has, or, of a snapshot, the least cube that explains it.
        restore: What a user runs.
        baseline: Name of what needs no training.
        by_baseline: What that makes of it.
    """

    case: str
    file: str
    truth: Floats
    before: Floats
    restore: Callable[[], Floats]
    baseline: str
    by_baseline: Callable[[], Floats]


def score_denoiser(
    denoiser: "CubeDenoiser", files: list[Path], on_file: OnFile | None = None
) -> list[Score]:
    """Score a denoiser on every cube in every case of `denoise-cube`; full scale is told.

    Args:
        denoiser: What a user would run.
        files: Of `cube_folder.cube_files`.
        on_file: Called with (cubes done, cubes in all).

    Raises:
        PictureError: A cube cannot be read or scored.
    """

    def trials(path: Path) -> Iterator[CubeTrial]:
        clean = read_clean(path).planes
        for case in DENOISE_CUBE:
            noisy = case.apply(path.name, clean)
            yield CubeTrial(
                case.name, path.name, clean, noisy, lambda noisy=noisy: _denoised(denoiser, noisy),
                NON_LOCAL_MEANS, lambda noisy=noisy: non_local_means(noisy, clean),
            )  # fmt: skip

    return _scores(files, trials, on_file)


def _denoised(denoiser: "CubeDenoiser", noisy: Floats) -> Floats:
    made = np.empty_like(noisy)
    denoiser.denoise(Cube(noisy), made, white=1.0)
    return made


def score_snapshots(
    method: "Method | tuple[nn.Module, Card]",
    files: list[Path],
    on_file: OnFile | None = None,
    *,
    device: torch.device | None = None,
) -> list[Score]:
    """Score a reconstruction on every cube that has the bands for it.

    Args:
        method: Trained weights with their card, or what needs none.
        files: Of `cube_folder.cube_files`.
        on_file: Called with (cubes done, cubes in all).
        device: Where to compute.

    Raises:
        ModelError: The weights are for something else.
        PictureError: A cube cannot be read or scored.
        NoInputError: None of the cubes has the bands.
    """
    network = None if isinstance(method, str) else method
    alone: Method = method if isinstance(method, str) else "wiener"
    bands = len(WAVELENGTHS) if network is None else network[1].config.channels
    if network is not None and network[1].task != "reconstruct":
        raise ModelError(
            f"the model {network[1].name} does not reconstruct snapshots",
            hint=f"it is for `serpent {network[1].task}`",
        )

    def trials(path: Path) -> Iterator[CubeTrial]:
        scene = scene_of(read_clean(path), bands)
        if scene is None:
            return
        shot, mask = snapshot(path.name, scene)
        back = shift_back(torch.from_numpy(shot)[None], torch.from_numpy(mask), bands)[0].numpy()
        yield CubeTrial(
            SNAPSHOT, path.name, scene, back,
            lambda: reconstruct(shot, mask, method=alone, network=network, device=device),
            GAP_TV, lambda: reconstruct(shot, mask, method="gap-tv"),
        )  # fmt: skip

    scores = _scores(files, trials, on_file)
    if not scores:
        raise NoInputError(
            f"none of the {len(files)} cubes has the bands for a snapshot",
            hint=f"needed are {bands} bands, or wavelengths from {WAVELENGTHS[0]:g} to"
            f" {WAVELENGTHS[-1]:g} nm",
        )
    return scores


def _scores(
    files: list[Path], trials: Callable[[Path], Iterator[CubeTrial]], on_file: OnFile | None
) -> list[Score]:
    scores: list[Score] = []
    for done, path in enumerate(files, 1):
        scores += [_score(trial) for trial in trials(path)]
        if on_file is not None:
            on_file(done, len(files))
    return scores


def _score(trial: CubeTrial) -> Score:
    begun = time.perf_counter()
    ours = trial.restore()
    seconds = time.perf_counter() - begun
    first, last, other = (
        score_cube(np.clip(cube, 0, 1), trial.truth)
        for cube in (trial.before, ours, trial.by_baseline())
    )
    return Score(
        trial.case, trial.file, first.mpsnr, last.mpsnr, first.mpsnr, last.mpsnr, first.mssim,
        last.mssim, seconds, sam_before=_known(first.sam), sam_after=_known(last.sam),
        baseline=trial.baseline, baseline_after=other.mpsnr, baseline_ssim=other.mssim,
        baseline_sam=_known(other.sam),
    )  # fmt: skip


def _known(angle: float) -> float | None:
    """None where all pixels are black, and there is no angle."""
    return None if math.isnan(angle) else angle
