"""Depths and grey: what happens to samples without looking at neighbours."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from serpent_cli.imaging.picture import MAX_VALUES, Samples

_BAND_SAMPLES = 1 << 22
"""Samples per band: temporaries stay small beside a large picture."""


def bands(height: int, row_samples: int) -> Iterator[slice]:
    """Split rows into bands of a few million samples."""
    rows = max(1, _BAND_SAMPLES // max(1, row_samples))
    for top in range(0, height, rows):
        yield slice(top, min(height, top + rows))


def to_unit(samples: Samples) -> NDArray[np.float32]:
    """Scale samples to float32 in [0, 1].

    >>> to_unit(np.array([0, 255], np.uint8))
    array([0., 1.], dtype=float32)
    """
    if samples.dtype == np.float32:
        return samples
    scale = np.float32(MAX_VALUES[samples.dtype.name])
    return samples.astype(np.float32) / scale


def to_depth(samples: Samples, dtype: type[np.generic] | np.dtype[np.generic]) -> Samples:
    """Convert samples between uint8, uint16 and float32, rounding to the nearest value.

    Args:
        samples: (H, ...) of uint8, uint16, or float32 in [0, 1] (values outside are clipped).
        dtype: uint8, uint16 or float32.

    Returns:
        The same shape in `dtype`; the input itself when it has that dtype.

    >>> to_depth(np.array([0, 128, 65535], np.uint16), np.uint8)
    array([  0,   0, 255], dtype=uint8)
    """
    wanted = np.dtype(dtype)
    if samples.dtype == wanted:
        return samples
    convert = _converter(samples.dtype, wanted)
    result = np.empty(samples.shape, wanted)
    row_samples = int(np.prod(samples.shape[1:], dtype=np.int64))
    for band in bands(samples.shape[0], row_samples):
        result[band] = convert(samples[band])
    return result


def _converter(
    have: np.dtype[np.generic], want: np.dtype[np.generic]
) -> Callable[[Samples], Samples]:
    if want == np.float32:
        return to_unit
    if have == np.float32:
        top = np.float32(MAX_VALUES[want.name])
        return lambda band: np.rint(np.clip(band, 0, 1) * top)
    if want == np.uint16:
        return lambda band: band.astype(np.uint16) * np.uint16(257)
    # 257 is odd, so adding 128 first rounds x / 257 to the nearest value exactly.
    return lambda band: (band.astype(np.uint32) + 128) // 257


def grey_to_rgb(channel: Samples) -> Samples:
    """Repeat one channel: (H, W) to (H, W, 3)."""
    return np.repeat(channel[..., None], 3, axis=2)


def is_grey(pixels: Samples) -> bool:
    """Tell whether the three channels of (H, W, 3) are equal at every pixel."""
    return all(
        bool(np.array_equal(pixels[band, :, 0], pixels[band, :, 1]))
        and bool(np.array_equal(pixels[band, :, 0], pixels[band, :, 2]))
        for band in bands(pixels.shape[0], pixels.shape[1] * 3)
    )
