"""A cube's own axes: what its bands have in common, strongest first, with equal noise on each.

Bands of a scene are alike: a few mixtures of them hold nearly all of it, the noise is shared out
over all. After Bioucas-Dias, Nascimento, "Hyperspectral subspace identification", TGRS 2008, each
band is divided by the deviation of its noise, which is what the other bands cannot foretell of it,
here of its finest detail (squares of 2 x 2 pixels), where little else is. The axes are the
eigenvectors of the covariance then. How much of what is seen along an axis is the scene and not the
noise follows from its variance λ, T bands, n pixels (Baik, Silverstein 2006; Gavish, Donoho 2017):

    ℓ + 1 = (b + √(b² − 4 γ)) / 2 + 1,   b = λ − 1 − γ,   γ = T / n,   and ℓ = 0 for λ ≤ (1 + √γ)²
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

LEAST_NOISE = 0.1 / 255
"""Of full scale: no band is held to have less, in noise's deviation."""

NOISE, SPREAD = 0.05, 0.35
"""Largest deviations of noise and of everything, on an axis as a network is given it."""

OUTLIER, ROUNDS = 5.0, 3
"""Deviations of the noise beyond which a sample is dead, and how often they are looked for."""

TOGETHER = 3
"""Samples of 3 x 3 that may be dead together, as in a dead column; more of them are the scene."""

CHUNK = 16  # bands that are compared at one go


@dataclass(frozen=True)
class Axes:
    """Axes of a cube of T bands.

    Attributes:
        mean: Of each band, (T,).
        noise: Deviation of the noise in each band, (T,).
        vectors: The axes, (T, T), one in each column, in units of noise; strongest first.
        spread: Deviation along each axis, in units of noise, (T,).
        gain: Share of what is seen along each axis that is the scene, 0 to 1, (T,).
    """

    mean: Floats
    noise: Floats
    vectors: Floats
    spread: Floats
    gain: Floats

    def scales(self, channels: int) -> Floats:
        """What the first axes are multiplied by for a network, (channels,); 0: nothing is there."""
        found = np.zeros(channels, np.float32)
        some = min(channels, len(self.mean))
        seen = self.gain[:some] > 0
        found[:some][seen] = np.minimum(NOISE, SPREAD / self.spread[:some][seen])
        return found

    def standard(self, samples: Floats) -> Floats:
        """(T, h, w) in units of noise about the mean; 0 where there are no data (NaN)."""
        made = (samples - self.mean[:, None, None]) / self.noise[:, None, None]
        return np.nan_to_num(made, copy=False, nan=0.0)

    def expected(self, standard: Floats, first: int = 0) -> Floats:
        """What the axes from number `first` on tell of (T, h, w) in units of noise."""
        vectors = self.vectors[:, first:]
        return _times((vectors * self.gain[first:]) @ vectors.T, standard)

    def mended(self, standard: Floats) -> Floats:
        """(T, h, w) in units of noise, dead samples replaced by what the others tell; in place.

        A sample is dead if it is far from what all bands tell of it, and most of its neighbours
        are not.
        """
        for _ in range(ROUNDS):
            expected, found = self.expected(standard), False
            for start in range(0, len(standard), CHUNK):
                some, told = standard[start : start + CHUNK], expected[start : start + CHUNK]
                dead = np.abs(some - told) > OUTLIER
                if dead.any():
                    dead &= _crowd(dead) <= TOGETHER
                    some[dead] = told[dead]
                    found = True
            if not found:
                break
        return standard

    def along(self, standard: Floats, channels: int, *, clean: bool = False) -> Floats:
        """The first axes of (T, h, w) in units of noise, as a network is given them, or gives them.

        Args:
            standard: The samples.
            channels: How many axes.
            clean: There is no noise; else what is seen is weighed by how much of it is the scene.

        Returns:
            (channels, h, w), noise of deviation `NOISE` or less; 0 where there is no such axis, or
            nothing but noise on it.
        """
        some = min(channels, len(self.mean))
        weights = self.scales(some) * (1.0 if clean else self.gain[:some])
        made = np.zeros((channels, *standard.shape[1:]), np.float32)
        made[:some] = _times((self.vectors[:, :some] * weights).astype(np.float32).T, standard)
        return made

    def samples(self, standard: Floats, along: Floats) -> Floats:
        """Samples (T, h, w) of the first axes as a network gives them, and of the others.

        Args:
            standard: (T, h, w) in units of noise; what the other axes tell of it is taken.
            along: (channels, h, w), as `along` gives them.
        """
        some = min(len(along), len(self.mean))
        scales = self.scales(some)
        back = np.where(scales > 0, 1 / np.maximum(scales, 1e-30), 0).astype(np.float32)
        made = self.expected(standard, some)
        made += _times(self.vectors[:, :some] * back, along[:some])
        made *= self.noise[:, None, None]
        made += self.mean[:, None, None]
        return made


def axes_of(parts: Callable[[], Iterable[Floats]], bands: int) -> Axes:
    """Measure the axes of a cube on parts of it, twice: dead samples do not count again.

    Args:
        parts: Called for parts (T, h, w) in [0, 1], NaN where there are no data; looked at one by
            one, and for dead samples once more.
        bands: T.
    """
    axes, found, sums = _axes(_sums(parts(), bands)), False, _Sums(bands)
    for part in parts():
        missing, standard = np.isnan(part), axes.standard(part)
        whole = axes.mended(standard.copy())
        found |= not np.array_equal(whole, standard)
        whole[missing] = np.nan
        sums.add(whole)
    if not found:
        return axes
    again = _axes(sums, LEAST_NOISE / axes.noise)
    return replace(again, mean=axes.mean + axes.noise * again.mean, noise=axes.noise * again.noise)


def _sums(parts: Iterable[Floats], bands: int) -> "_Sums":
    sums = _Sums(bands)
    for part in parts:
        sums.add(part)
    return sums


def _axes(sums: "_Sums", least: float | Floats = LEAST_NOISE) -> Axes:
    """Axes of what was summed up; no band has less noise than `least`."""
    noise = _noise(sums.detail / max(sums.squares, 1), sums.squares, least)
    values, vectors = np.linalg.eigh(sums.covariance() / np.outer(noise, noise))
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    vectors = vectors * np.where(vectors.sum(0) < 0, -1.0, 1.0)  # brightness is bright
    scene = _scene(values, len(values) / max(sums.pixels, 1))
    each = (sums.mean(), noise, vectors, np.sqrt(values), scene / (1 + scene))
    return Axes(*(np.ascontiguousarray(one, np.float32) for one in each))


class _Sums:
    """Sums over pixels that have data in all bands, and over squares of 2 x 2 of them."""

    def __init__(self, bands: int) -> None:
        self.pixels = self.squares = 0
        self.first = np.zeros(bands)
        self.second = np.zeros((bands, bands))
        self.detail = np.zeros((bands, bands))

    def add(self, samples: Floats) -> None:
        """Add (T, h, w); a band without any data does not count."""
        missing = np.isnan(samples)
        empty = missing.all((1, 2))
        holes = missing[~empty].any(0) if not empty.all() else np.ones(samples.shape[1:], bool)
        part = np.where(missing, 0, samples).astype(np.float64)
        pixels = part[:, ~holes]
        self.pixels += pixels.shape[1]
        self.first += pixels.sum(1)
        self.second += pixels @ pixels.T
        detail = part[:, :-1, :-1] - part[:, 1:, :-1] - part[:, :-1, 1:] + part[:, 1:, 1:]
        whole = ~(holes[:-1, :-1] | holes[1:, :-1] | holes[:-1, 1:] | holes[1:, 1:])
        squares = detail[:, whole] / 2
        self.squares += squares.shape[1]
        self.detail += squares @ squares.T

    def mean(self) -> Doubles:
        return self.first / max(self.pixels, 1)

    def covariance(self) -> Doubles:
        return self.second / max(self.pixels, 1) - np.outer(self.mean(), self.mean())


def _noise(detail: Doubles, count: int, least: float | Floats) -> Doubles:
    """Deviation of each band's noise: of its detail, what the others do not foretell.

    Of a matrix of covariances, the diagonal of the inverse is one over the variance of each that
    the others leave open.
    """
    bands = len(detail)
    floor = np.broadcast_to(np.square(least), bands)
    inverse = np.linalg.inv(detail + np.diag(floor))
    # Of few squares, the others foretell some by chance.
    chance = count / max(count - bands, count / 2) if count else 1.0
    return np.sqrt(np.maximum(chance / np.diag(inverse), floor))


def _scene(values: Doubles, ratio: float) -> Doubles:
    """Variance of the scene along each axis, in units of noise; see the top of this file."""
    b = values - 1 - ratio
    square = np.maximum(b**2 - 4 * ratio, 0)
    return np.where(values > (1 + np.sqrt(ratio)) ** 2, (b + np.sqrt(square)) / 2, 0)


def _times(matrix: NDArray[Any], samples: Floats) -> Floats:
    """A matrix (A, T) times the spectra of (T, h, w)."""
    bands, height, width = samples.shape
    return (matrix @ samples.reshape(bands, -1)).reshape(-1, height, width)


def _crowd(found: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """How many of the 3 x 3 samples about each of (T, h, w) are found."""
    counts = found.astype(np.uint8)
    for axis in (1, 2):
        total = counts.copy()
        ahead = [slice(None)] * 3
        behind = [slice(None)] * 3
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        total[tuple(behind)] += counts[tuple(ahead)]
        total[tuple(ahead)] += counts[tuple(behind)]
        counts = total
    return counts
