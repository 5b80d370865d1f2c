"""How cubes are scored: MPSNR, MSSIM and the spectral angle, as the field reports them.

MPSNR and MSSIM are means over bands, of values in [0, 1]; the spectral angle (Kruse et al. 1993) is
the mean over pixels of the angle between two spectra, here in degrees.
"""

import math
from dataclasses import dataclass

import numpy as np

from serpent_cli.cubes.likeness import BEST, angles
from serpent_cli.evaluation.metrics import WINDOW, Array, psnr, ssim


@dataclass(frozen=True)
class CubeScores:
    """Of one cube beside the truth.

    Attributes:
        mpsnr: Mean of the bands' PSNR, dB.
        mssim: Mean of the bands' SSIM; NaN where a side is shorter than its window.
        sam: Mean angle between spectra, degrees.
    """

    mpsnr: float
    mssim: float
    sam: float


def score_cube(cube: Array, truth: Array) -> CubeScores:
    """Score a cube.

    Args:
        cube: (T, H, W) in [0, 1].
        truth: The same shape.

    Raises:
        ValueError: The shapes differ.
    """
    if cube.shape != truth.shape:
        raise ValueError(f"cannot compare {cube.shape} with {truth.shape}")
    bands = list(zip(cube, truth, strict=True))
    similar = (
        math.nan
        if min(truth.shape[1:]) < WINDOW
        else float(np.mean([ssim(a, b) for a, b in bands]))
    )
    mean = float(np.mean([min(psnr(a, b), BEST) for a, b in bands]))
    return CubeScores(mean, similar, spectral_angle(cube, truth))


def spectral_angle(cube: Array, truth: Array) -> float:
    """Mean angle between the spectra of two cubes (T, H, W), degrees.

    Pixels that are black in one of them have no angle, and are left out; NaN if all are.

    >>> spectral_angle(np.array([[[1.0]], [[0.0]]]), np.array([[[1.0]], [[1.0]]]))
    45.0
    """
    between = angles(cube, truth)
    return round(float(between.mean()), 12) if len(between) else math.nan
