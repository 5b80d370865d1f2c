"""A cube's own axes: what its bands have in common, strongest first, with equal noise on each.

Bands of a scene are alike: a few mixtures of them hold nearly all of it, the noise is shared out
over all. After Bioucas-Dias, Nascimento, "Hyperspectral subspace identification", TGRS 2008, each
band is divided by the deviation of its noise, which is what the other bands cannot foretell of it,
here of its finest detail (squares of 2 x 2 pixels), where little else is. Stripes cancel there, but
not in steps from pixel to pixel across them: by what such steps tell more one way than the other,
they count as noise of their band, or each would be an axis of the scene. The axes are the
eigenvectors of the covariance then. Of the variance λ along an axis, in units of noise, v is the
scene's, for T bands and n pixels (Baik, Silverstein 2006; Gavish, Donoho 2017):

    v = (b + √(b² − 4 r)) / 2,   b = λ − 1 − r,   r = T / n,   and v = 0 for λ ≤ (1 + √r)²

The share v / (1 + v) of what is seen there is kept (Wiener), and only that tells of the scene.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

LEAST_NOISE = 0.1 / 255
"""Of full scale: no band is held to have less, in noise's deviation."""

NOISE, SPREAD = 0.02, 0.4
"""Largest deviations of noise and of everything, on an axis as a network is given it: as in a
photograph with little noise. A change of `NOISE` is one of the noise's deviation on any axis.
"""

OUTLIER, ROUNDS = 5.0, 4
"""Deviations of what the others do not foretell beyond which a sample is dead, and how often such
samples are looked for."""

LEAST_DEAD = 0.05
"""Of full scale: nothing nearer to what others foretell is dead."""

TOGETHER = 3
"""Samples of 3 x 3 that may be dead together, as in a dead column; more of them are the scene."""

SHARED = 2.25
"""Squares of 2 x 2 pixels, which overlap, that tell as much as one by itself."""

UNEVEN = 0.5
"""Of the noise's variance: what steps across and down may differ by without stripes."""

LEAST_BANDS = 6
"""Fewer cannot tell stripes from lines of the scene, which the other bands would foretell."""

CHUNK = 16  # bands that are compared at one go


@dataclass(frozen=True)
class Axes:
    """Axes of a cube of T bands.

    Attributes:
        mean: Of each band, (T,).
        noise: Deviation of the noise in each band, stripes included, (T,).
        vectors: The axes, (T, T), one in each column, in units of noise; strongest first.
        spread: Deviation along each axis, in units of noise, (T,).
        gain: Share of what is seen along each axis that is the scene, 0 to 1, (T,).
        alone: Times (T,) in units of noise, what the other bands do not foretell of each, (T, T).
        limit: Beyond which that is no noise, (T,).
    """

    mean: Floats
    noise: Floats
    vectors: Floats
    spread: Floats
    gain: Floats
    alone: Floats
    limit: Floats

    def standard(self, samples: Floats) -> Floats:
        """(T, h, w) in units of noise about the mean; 0 where there are no data (NaN)."""
        made = (samples - self.mean[:, None, None]) / self.noise[:, None, None]
        return np.nan_to_num(made, copy=False, nan=0.0)

    def expected(self, standard: Floats) -> Floats:
        """What the axes tell of (T, h, w) in units of noise, each by its share of the scene."""
        return _times((self.vectors * self.gain) @ self.vectors.T, standard)

    def mended(self, standard: Floats) -> Floats:
        """(T, h, w) in units of noise, dead samples replaced by what others tell; in place.

        A sample is dead if it is far from what the others foretell, most of its neighbours are not,
        and no band is twice as far off in this pixel: one dead sample draws all others along.
        """
        limit = self.limit[:, None, None]
        for _ in range(ROUNDS):
            off = _times(self.alone, standard)
            farthest = np.zeros(standard.shape[1:], np.float32)
            for some, most in _chunks(off, limit):
                np.maximum(farthest, (np.abs(some) / most).max(0), out=farthest)
            if not (farthest > 1).any():
                break
            least = np.maximum(farthest / 2, 1)
            for samples, some, most in _chunks(standard, off, limit):
                dead = np.abs(some) > least * most
                if dead.any():
                    dead &= _crowd(dead) <= TOGETHER
                    samples[dead] -= some[dead]
        return standard

    def seen(self, standard: Floats, channels: int) -> Floats:
        """The first axes of (T, h, w) in units of noise, as a network is given them.

        Returns:
            (channels, h, w): what `expected` tells of them, in deviations of at most `SPREAD`, the
            noise's before at most `NOISE`; 0 where there is no such axis, or nothing but noise.
        """
        some = min(channels, len(self.mean))
        scales = np.minimum(NOISE, SPREAD / np.maximum(self.spread[:some], 1e-6))
        made = np.zeros((channels, *standard.shape[1:]), np.float32)
        weights = (self.vectors[:, :some] * (scales * self.gain[:some])).astype(np.float32)
        made[:some] = _times(weights.T, standard)
        return made

    def wanted(self, standard: Floats, clean: Floats, channels: int) -> Floats:
        """How a network should change what `seen` gives, (channels, h, w), in 1 / `NOISE`."""
        some = min(channels, len(self.mean))
        vectors = self.vectors[:, :some] * (self.gain[:some] > 0)
        made = np.zeros((channels, *standard.shape[1:]), np.float32)
        made[:some] = NOISE * _times(vectors.T, clean - self.expected(standard))
        return made

    def samples(self, standard: Floats, change: Floats) -> Floats:
        """Samples (T, h, w): what is expected, and a network's change of it, as `wanted` has it."""
        some = min(len(change), len(self.mean))
        vectors = self.vectors[:, :some] * ((self.gain[:some] > 0) / np.float32(NOISE))
        made = self.expected(standard)
        made += _times(vectors.astype(np.float32), change[:some])
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
    axes = _axes(_sums(parts(), bands))
    if not any(_has_dead(axes, part) for part in parts()):
        return axes
    mended = (_without_dead(axes, part) for part in parts())
    again = _axes(_sums(mended, bands), axes.noise)
    return replace(again, mean=axes.mean + axes.noise * again.mean, noise=axes.noise * again.noise)


def _has_dead(axes: Axes, samples: Floats) -> bool:
    standard = axes.standard(samples)
    return not np.array_equal(axes.mended(standard.copy()), standard)


def _without_dead(axes: Axes, samples: Floats) -> Floats:
    """Samples in units of noise, mended; NaN where there are no data."""
    made = axes.mended(axes.standard(samples))
    made[np.isnan(samples)] = np.nan
    return made


def _sums(parts: Iterable[Floats], bands: int) -> "_Sums":
    sums = _Sums(bands)
    for part in parts:
        sums.add(part)
    return sums


def _axes(sums: "_Sums", unit: float | Floats = 1.0) -> Axes:
    """Axes of what was summed up, in units of full scale or of each band's noise."""
    least = LEAST_NOISE / unit
    details = (sums.detail, sums.across, sums.down)
    noise, across, down = (_noise(d / max(sums.squares, 1), sums.squares, least) for d in details)
    if len(noise) >= LEAST_BANDS:
        stripes = np.abs(across**2 - down**2) - UNEVEN * noise**2
        noise = np.sqrt(noise**2 + np.maximum(stripes, 0))
    values, vectors = np.linalg.eigh(sums.covariance() / np.outer(noise, noise))
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    vectors = vectors * np.where(vectors.sum(0) < 0, -1.0, 1.0)  # brightness is bright
    scene = _scene(values, len(values) / max(sums.pixels, 1))
    inverse = (vectors / np.maximum(values, 1)) @ vectors.T  # of the covariance
    own = np.diag(inverse)
    alone = inverse / own[:, None]
    limit = np.maximum(OUTLIER / np.sqrt(own), LEAST_DEAD / (noise * unit))
    each = (sums.mean(), noise, vectors, np.sqrt(values), scene / (1 + scene), alone, limit)
    return Axes(*(np.ascontiguousarray(one, np.float32) for one in each))


class _Sums:
    """Sums over pixels that have data in all bands, and over squares of 2 x 2 of them."""

    def __init__(self, bands: int) -> None:
        self.pixels = self.squares = 0
        self.first = np.zeros(bands)
        self.second = np.zeros((bands, bands))
        self.detail = np.zeros((bands, bands))
        self.across = np.zeros((bands, bands))
        self.down = np.zeros((bands, bands))

    def add(self, samples: Floats) -> None:
        """Add (T, h, w); a band without any data does not count."""
        missing = np.isnan(samples)
        empty = missing.all((1, 2))
        holes: NDArray[np.bool_] = np.ones(samples.shape[1:], np.bool_)
        if not empty.all():
            holes[:] = missing[~empty].any(0)
        part = np.where(missing, 0, samples).astype(np.float64)
        pixels = part[:, ~holes]
        self.pixels += pixels.shape[1]
        self.first += pixels.sum(1)
        self.second += pixels @ pixels.T
        whole = ~(holes[:-1, :-1] | holes[1:, :-1] | holes[:-1, 1:] | holes[1:, 1:])
        self.squares += int(whole.sum())
        # One after the other: each takes as much memory as the part.
        self.down += _products((part[:, 1:, :-1] - part[:, :-1, :-1])[:, whole]) / 2
        across = part[:, :, 1:] - part[:, :, :-1]
        self.across += _products(across[:, :-1][:, whole]) / 2
        self.detail += _products((across[:, 1:] - across[:, :-1])[:, whole]) / 4

    def mean(self) -> Doubles:
        return self.first / max(self.pixels, 1)

    def covariance(self) -> Doubles:
        return self.second / max(self.pixels, 1) - np.outer(self.mean(), self.mean())


def _products(steps: Doubles) -> Doubles:
    """Sums of products (T, T) of differences between pixels (T, n)."""
    return steps @ steps.T


def _noise(detail: Doubles, count: int, least: float | Floats) -> Doubles:
    """Deviation of each band's noise: of its detail, what the others do not foretell.

    Of a matrix of covariances, the diagonal of the inverse is one over the variance of each that
    the others leave open.
    """
    bands = len(detail)
    floor = np.broadcast_to(np.square(least), bands)
    inverse = np.linalg.inv(detail + np.diag(floor))
    # Of few squares, the others foretell some by chance.
    free = count / SHARED
    chance = free / max(free - bands, free / 2) if count else 1.0
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


def _chunks(*cubes: Floats) -> Iterator[tuple[Floats, ...]]:
    """Some bands of each at one go: what is made of them is small."""
    for start in range(0, len(cubes[0]), CHUNK):
        yield tuple(cube[start : start + CHUNK] for cube in cubes)


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
