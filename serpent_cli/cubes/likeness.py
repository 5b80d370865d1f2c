"""How alike two cubes are, in measures that need no torch.

MPSNR and MSSIM are means over bands of PSNR and SSIM (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP
2004, equation 13); the spectral angle (Kruse et al. 1993) is the mean over pixels of the angle
between two spectra.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serpent_cli.cubes.cube import Cube

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

BEST = 100.0
"""dB, of a band without an error: an infinite one would leave no mean."""

WINDOW = 11  # pixels
_SIGMA = 1.5
_HALF = [math.exp(-((step / _SIGMA) ** 2) / 2) for step in range(WINDOW // 2 + 1)]
_WEIGHTS = [np.float32(weight / (2 * sum(_HALF) - _HALF[0])) for weight in _HALF]
_C1, _C2 = np.float32(0.01**2), np.float32(0.03**2)

CHUNK = 16
"""Bands that are looked at together."""

SAMPLES = 1 << 22
"""Of one cube that are looked at together, at most, but for a few rows."""


@dataclass(frozen=True)
class Likeness:
    """Of two cubes of one shape; samples without data in one of them do not count.

    Attributes:
        mpsnr: Mean of the bands' PSNR, dB, `BEST` for a band without a difference.
        mssim: Mean of the bands' SSIM; NaN where a side is shorter than its window.
        sam: Mean angle between spectra, degrees; NaN where all pixels are black.
        same: No sample differs.
    """

    mpsnr: float
    mssim: float
    sam: float
    same: bool


def likeness(before: Cube, after: Cube, full: float) -> Likeness:
    """Compare two cubes, a few rows at a time.

    Args:
        before: One of them, (T, H, W).
        after: The other, of the same shape.
        full: The sample that counts as 1.

    Raises:
        ValueError: The shapes differ.
    """
    if before.shape != after.shape:
        raise ValueError(f"cannot compare {before.shape} with {after.shape}")
    sums = _Sums(before.shape[0])
    for top, bottom, last in _parts(before.shape):
        angles = _Angles((bottom - top, before.shape[2]))
        for start in range(0, before.shape[0], CHUNK):
            some = slice(start, start + CHUNK)
            pair = [c.window(slice(top, last), slice(None), some) / full for c in (before, after)]
            there = np.isfinite(pair[0]) & np.isfinite(pair[1])
            a, b = (np.where(there, each, np.float32(0)) for each in pair)
            own = slice(bottom - top)  # the others are the next part's, and in windows of this one
            sums.differences(some, a[:, own] - b[:, own], there[:, own])
            angles.add(a[:, own], b[:, own])
            sums.windows(some, a, b, there)
        sums.angles(angles.degrees())
    return sums.likeness()


def angles(a: NDArray[np.floating], b: NDArray[np.floating]) -> Doubles:
    """Angles between the spectra of two cubes (T, ...), degrees; black pixels are left out.

    >>> angles(np.array([[1.0], [0.0]]), np.array([[1.0], [1.0]])).round(9)
    array([45.])
    """
    between = _Angles(a.shape[1:])
    between.add(a, b)
    return between.degrees()


class _Angles:
    """Products of spectra, summed up over bands."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.product, self.first, self.second = (np.zeros(shape) for _ in range(3))

    def add(self, a: NDArray[np.floating], b: NDArray[np.floating]) -> None:
        """Add some bands."""
        a, b = a.astype(np.float64), b.astype(np.float64)
        self.product += (a * b).sum(0)
        self.first += np.square(a).sum(0)
        self.second += np.square(b).sum(0)

    def degrees(self) -> Doubles:
        """The angles of pixels that are black in neither."""
        norms = np.sqrt(self.first) * np.sqrt(self.second)
        lit = norms > 0
        return np.degrees(np.arccos(np.clip(self.product[lit] / norms[lit], -1, 1)))


class _Sums:
    """What is known of the rows that were looked at."""

    def __init__(self, bands: int) -> None:
        self.error, self.count, self.similar, self.seen = (np.zeros(bands) for _ in range(4))
        self.turned, self.lit = 0.0, 0

    def differences(self, bands: slice, apart: Floats, there: NDArray[np.bool_]) -> None:
        """Add squared errors."""
        self.error[bands] += np.square(apart, dtype=np.float64).sum((1, 2))
        self.count[bands] += there.sum((1, 2))

    def windows(self, bands: slice, a: Floats, b: Floats, there: NDArray[np.bool_]) -> None:
        """Add the similarity of windows that lie wholly where there are data."""
        if min(a.shape[1:]) < WINDOW:
            return
        numbers = range(len(self.seen))[bands]
        for band, *planes in zip(numbers, a, b, there, strict=True):  # one stays in the cache
            similar = _similarity(planes[0], planes[1])
            whole = np.ones(similar.shape, np.bool_)
            if not planes[2].all():
                whole = _means((~planes[2]).astype(np.float32)) == 0
            self.seen[band] += whole.sum()
            self.similar[band] += similar.sum(where=whole, dtype=np.float64)

    def angles(self, degrees: Doubles) -> None:
        """Add angles of pixels."""
        self.turned += float(degrees.sum())
        self.lit += len(degrees)

    def likeness(self) -> Likeness:
        """The means."""
        known = self.count > 0
        error = self.error[known] / self.count[known]
        with np.errstate(divide="ignore"):
            psnr = np.minimum(-10 * np.log10(error), BEST)
        some = self.seen > 0
        return Likeness(
            float(psnr.mean()) if known.any() else math.nan,
            float((self.similar[some] / self.seen[some]).mean()) if some.any() else math.nan,
            self.turned / self.lit if self.lit else math.nan,
            not self.error.any(),
        )


def _parts(shape: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
    """Rows [top, bottom) of a cube, and the end of the rows that windows from there reach."""
    bands, height, width = shape
    rows = max(WINDOW, SAMPLES // (min(bands, CHUNK) * width))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        yield top, bottom, min(bottom + WINDOW - 1, height)


def _similarity(a: Floats, b: Floats) -> Floats:
    """SSIM of each window that lies wholly inside: (H, W) to (H - 10, W - 10)."""
    mean_a, mean_b = _means(a), _means(b)
    product, squares = mean_a * mean_b, mean_a**2 + mean_b**2
    covariance = _means(a * b) - product
    variances = _means(a**2 + b**2) - squares
    ratio = (2 * product + _C1) * (2 * covariance + _C2)
    ratio /= (squares + _C1) * (variances + _C2)
    return ratio.astype(np.float32, copy=False)


def _means(plane: Floats) -> Floats:
    """Weighted means over the windows that lie wholly inside, along columns and along rows."""
    for _ in range(2):
        count, middle = len(plane) - WINDOW + 1, WINDOW // 2
        total = plane[middle : middle + count] * _WEIGHTS[0]
        for step in range(1, middle + 1):
            above, below = (plane[middle + by :][:count] for by in (-step, step))
            total += (above + below) * _WEIGHTS[step]
        plane = total.T
    return plane
