"""The quality at which a JPEG was made, from its quantisation tables.

Encoders scale the example tables of ITU-T T.81, annex K.1, by a quality from 1 to 100, as the
Independent JPEG Group's encoder began to; tables of another origin (cameras, Photoshop) get the
quality whose tables are nearest.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

DEFAULT_QUALITY = 95
FULL_CHROMA = "4:4:4"

# Sampling factors of the first channel over those of the second.
_SUBSAMPLINGS: dict[tuple[float, float], str] = {
    (1, 1): FULL_CHROMA,
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
}

_Integers = NDArray[np.int64]


@dataclass(frozen=True)
class JpegQuality:
    """How a JPEG was made, and how one is to be made.

    Attributes:
        quality: 1 to 100, on the scale of the Independent JPEG Group.
        subsampling: Of the two colour differences: "4:4:4" (none), "4:2:2" or "4:2:0".
    """

    quality: int = DEFAULT_QUALITY
    subsampling: str = FULL_CHROMA


def standard_tables(quality: int) -> tuple[_Integers, _Integers]:
    """The standard's luminance and chrominance tables at a quality, as libjpeg scales them.

    Args:
        quality: 1 to 100.

    Returns:
        Two (64,) arrays, row by row, 1 to 255.

    >>> standard_tables(50)[0][:3]
    array([16, 11, 10])
    """
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    first, second = (np.clip((each * percent + 50) // 100, 1, 255) for each in _printed_tables())
    return first, second


@cache
def _printed_tables() -> tuple[_Integers, _Integers]:
    """T.81's tables K.1 and K.2, row by row: those of quality 50, of which libjpeg has a copy."""
    from PIL import Image, JpegImagePlugin  # arrays need no codecs

    stream = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "JPEG", quality=50)
    stream.seek(0)
    tables = JpegImagePlugin.JpegImageFile(stream).quantization
    return np.array(tables[0], np.int64), np.array(tables[1], np.int64)


def estimate(
    tables: Mapping[int, Sequence[int]], layers: Sequence[tuple[int, int, int, int]]
) -> JpegQuality | None:
    """Estimate how a JPEG was made.

    Args:
        tables: Quantisation tables by number, each of 64 values, row by row.
        layers: (name, horizontal factor, vertical factor, number of its table) of each channel.

    Returns:
        The quality whose standard tables are nearest to those of brightness and colour; None if
        the file refers to tables that it does not have.
    """
    found = [np.array(tables.get(layer[3], ()), np.int64) for layer in layers[:2]]
    if not found or any(table.shape != (64,) for table in found):
        return None
    if len(found) == 2 and np.array_equal(found[0], found[1]):
        # One table for all channels (RGB, CMYK): there is no table for colour differences.
        found = found[:1]
    errors = [_distance(found, standard_tables(quality)) for quality in range(1, 101)]
    return JpegQuality(int(np.argmin(errors)) + 1, _subsampling(layers))


def _distance(found: list[_Integers], standard: tuple[_Integers, _Integers]) -> float:
    """Sum up differences; low frequencies, whose steps are small, count relative to their size."""
    pairs = zip(found, standard, strict=False)
    return sum(float(np.abs(np.log(np.maximum(a, 1) / b)).sum()) for a, b in pairs)


def _subsampling(layers: Sequence[tuple[int, int, int, int]]) -> str:
    if len(layers) < 3 or not (layers[1][1] and layers[1][2]):
        return FULL_CHROMA
    ratio = (layers[0][1] / layers[1][1], layers[0][2] / layers[1][2])
    # What our encoder has not is written with more colour, never with less.
    return _SUBSAMPLINGS.get(ratio, FULL_CHROMA)
