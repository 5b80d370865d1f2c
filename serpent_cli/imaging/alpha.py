"""Colours under transparency.

What lies under full transparency is arbitrary, often black. A network that mixes neighbours would
pull it into the visible edge as a halo, so it is replaced by colours that continue the visible
ones. Method: pull-push over a pyramid, Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.3.
"""

import numpy as np
from numpy.typing import NDArray

from serpent_cli.imaging.colour import bands, to_unit
from serpent_cli.imaging.picture import MAX_VALUES, Samples

LOW_ALPHA = 0.02
"""Up to this share of full opacity a colour counts as unknown: it was stored in too few levels."""

_Floats = NDArray[np.float32]


def fill_transparent(pixels: Samples, alpha: Samples) -> Samples:
    """Continue visible colours under transparency.

    Args:
        pixels: (H, W, 3), uint8, uint16 or float32, not premultiplied.
        alpha: (H, W), same dtype.

    Returns:
        The same shape and dtype; unchanged where alpha exceeds `LOW_ALPHA` of full opacity. The
        input itself when nothing, or everything, is transparent.

    >>> pixels = np.array([[[200, 90, 10], [0, 0, 0]]], np.uint8)
    >>> fill_transparent(pixels, np.array([[255, 0]], np.uint8))[0, 1]
    array([200,  90,  10], dtype=uint8)
    """
    top = MAX_VALUES[alpha.dtype.name]
    unknown = alpha <= alpha.dtype.type(LOW_ALPHA * top)
    if not unknown.any() or unknown.all():
        return pixels
    half = _push(*_halve(pixels, alpha, unknown))
    result = pixels.copy()
    height, width = alpha.shape
    white = np.float32(MAX_VALUES[pixels.dtype.name])
    for band in bands(height, width * 3):
        holes = unknown[band]
        if not holes.any():
            continue
        rows = _enlarge(half, range(band.start, band.stop), axis=0)
        fill = _enlarge(rows, range(width), axis=1)[holes] * white
        result[band][holes] = fill if pixels.dtype == np.float32 else np.rint(fill)
    return result


def _halve(pixels: Samples, alpha: Samples, unknown: NDArray[np.bool_]) -> tuple[_Floats, _Floats]:
    """Pull the finest level, band by band: float copies of it are never held whole."""
    height, width = alpha.shape
    shape = ((height + 1) // 2, (width + 1) // 2)
    colour, weight = np.empty((*shape, 3), np.float32), np.empty(shape, np.float32)
    for band in bands(shape[0], width * 8):
        fine = slice(band.start * 2, band.stop * 2)
        known = np.where(unknown[fine], np.float32(0), to_unit(alpha[fine]))
        colour[band], weight[band] = _pull(to_unit(pixels[fine]), known)
    return colour, weight


def _pull(colour: _Floats, weight: _Floats) -> tuple[_Floats, _Floats]:
    """Average 2x2 pixels by weight: (h, w, 3), (h, w) to half the size, rounded up."""
    odd = ((0, weight.shape[0] % 2), (0, weight.shape[1] % 2))
    weighted = np.pad(colour * weight[..., None], (*odd, (0, 0)))
    weight = np.pad(weight, odd)
    total = weight[::2, ::2] + weight[1::2, ::2] + weight[::2, 1::2] + weight[1::2, 1::2]
    sums = weighted[::2, ::2] + weighted[1::2, ::2] + weighted[::2, 1::2] + weighted[1::2, 1::2]
    mean = np.divide(sums, total[..., None], out=sums, where=total[..., None] > 0)
    return mean, np.minimum(total, 1)


def _push(colour: _Floats, weight: _Floats) -> _Floats:
    """Fill what has little weight from coarser levels: (h, w, 3)."""
    if weight.shape == (1, 1):
        return colour
    coarse = _push(*_pull(colour, weight))
    height, width = weight.shape
    fill = _enlarge(_enlarge(coarse, range(height), axis=0), range(width), axis=1)
    fill *= 1 - weight[..., None]
    # Colour of weight 0 is 0, so that nothing unknown comes in.
    fill += colour * weight[..., None]
    return fill


def _enlarge(coarse: _Floats, wanted: range, *, axis: int) -> _Floats:
    """Double the resolution linearly along an axis, only for the indices that are wanted."""
    centre = (np.arange(wanted.start, wanted.stop) - 0.5) / 2
    low = np.floor(centre).astype(np.intp)
    share = (centre - low).astype(np.float32)
    share = share.reshape([-1 if each == axis else 1 for each in range(3)])
    last = coarse.shape[axis] - 1
    lower = coarse.take(low.clip(0, last), axis)
    step = coarse.take((low + 1).clip(0, last), axis)
    step -= lower
    step *= share
    lower += step
    return lower
