"""Another size for a picture: Lanczos, antialiased, in the depth of its samples.

Stored values are averaged, not light: so do Pillow, ImageMagick and Photoshop by default, and what
comes out is what the same picture, scaled anywhere else, looks like. Colours are weighted with
their opacity, so that what lies under transparency does not bleed into the visible edge.
Source of the filter: Pillow, `Image.resize` with `Resampling.LANCZOS` on float32 ("F").
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from serpent_cli.imaging.colour import grey_to_rgb, to_unit
from serpent_cli.imaging.picture import MAX_VALUES, Picture, Samples

_LOBES = 3
_BAND_SAMPLES = 1 << 22
_FAINT = 1e-3
"""Up to this opacity a weighted colour is mostly rounding error; the plain one stands in for it."""

_Floats = NDArray[np.float32]


def resample(picture: Picture, height: int, width: int) -> Picture:
    """Scale a picture to a size.

    Args:
        picture: Any depth.
        height: Wanted rows, at least 1.
        width: Wanted columns, at least 1.

    Returns:
        A picture of that size with the same depth, channels and metadata, clipped to the range of
        its depth; the picture itself if it has that size already. Beside the two pictures a few
        dozen megabytes are used, however large they are.

    Raises:
        ValueError: A side of less than one pixel.
    """
    if min(height, width) < 1:
        raise ValueError(f"a picture of {width}x{height} has no pixels")
    if (height, width) == (picture.height, picture.width):
        return picture
    dtype = picture.pixels.dtype
    pixels = np.empty((height, width, 3), dtype)
    alpha = None if picture.alpha is None else np.empty((height, width), dtype)
    for band in _bands(picture, height, width):
        opacity = None
        if picture.alpha is not None and alpha is not None:
            opacity = band.scale(to_unit(picture.alpha[band.source]))
            alpha[band.target] = _stored(opacity, dtype)
        for index in range(1 if picture.grey else 3):
            plane = _scaled_plane(picture, index, band, opacity)
            pixels[band.target, :, index] = _stored(plane, dtype)
        if picture.grey:
            pixels[band.target] = grey_to_rgb(pixels[band.target, :, 0])
    return replace(picture, pixels=pixels, alpha=alpha)


@dataclass(frozen=True)
class _Band:
    """Some rows of the result, and the rows of the picture that they come from.

    Attributes:
        target: Rows of the result.
        source: Rows of the picture, with those that the filter sees around them.
        box: Left, upper, right and lower edge, in the source rows, of what becomes `target`.
        width: Columns of the result.
    """

    target: slice
    source: slice
    box: tuple[float, float, float, float]
    width: int

    def scale(self, plane: _Floats) -> _Floats:
        """Scale source rows (h, w) to the result's (height of `target`, width), clipped."""
        size = (self.width, self.target.stop - self.target.start)
        image = Image.fromarray(np.ascontiguousarray(plane))
        scaled = np.asarray(image.resize(size, Image.Resampling.LANCZOS, self.box))
        return np.clip(scaled, 0, 1)


def _bands(picture: Picture, height: int, width: int) -> Iterator[_Band]:
    """Cut the result into bands of a few million samples, of the result and of the source."""
    step = picture.height / height
    reach = math.ceil(_LOBES * max(step, 1)) + 1
    samples = max(width, picture.width * step, picture.width)
    rows = max(1, int(_BAND_SAMPLES / samples))
    for top in range(0, height, rows):
        end = min(top + rows, height)
        first = max(0, math.floor(top * step) - reach)
        last = min(picture.height, math.ceil(end * step) + reach)
        lower = picture.height if end == height else end * step
        box = (0.0, top * step - first, float(picture.width), lower - first)
        yield _Band(slice(top, end), slice(first, last), box, width)


def _scaled_plane(picture: Picture, index: int, band: _Band, opacity: _Floats | None) -> _Floats:
    """Scale one channel's rows, in [0, 1], weighted with the opacity where there is any."""
    plane = to_unit(picture.pixels[band.source, :, index])
    if opacity is None or picture.alpha is None:
        return band.scale(plane)
    weighted = band.scale(plane * to_unit(picture.alpha[band.source]))
    faint = opacity <= _FAINT
    result = np.divide(weighted, opacity, out=weighted, where=~faint)
    if faint.any():
        result[faint] = band.scale(plane)[faint]
    return result


def _stored(unit: _Floats, dtype: np.dtype[np.generic]) -> Samples:
    """Bring [0, 1] to a depth; values beyond it are clipped."""
    clipped = np.clip(unit, 0, 1)
    if dtype == np.float32:
        return clipped
    return np.rint(clipped * np.float32(MAX_VALUES[dtype.name])).astype(dtype)
