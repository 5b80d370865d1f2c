"""What a TIFF says beside its pixels. Nothing here keeps a picture from being read.

Sources: TIFF 6.0; Adobe Photoshop TIFF Technical Notes; EXIF 2.32.
"""

import struct
from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from typing import Any, BinaryIO, TypeVar

import tifffile

from serpent_cli.imaging.damage import DamageError, decoder
from serpent_cli.imaging.formats.tiff_page import Page
from serpent_cli.imaging.metadata import (
    Metadata,
    exif_from_tiff,
    ratio,
    take_orientation,
    upright_density,
    upright_dpi,
)

_ORIENTATION, _XMP, _ICC, _IPTC, _EXIF = 274, 700, 34675, 33723, 34665
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_INCHES_PER_UNIT = {2: 1.0, 3: 1 / 2.54}
_NO_UNIT = 1
_LOOKED_INTO = 100

Value = TypeVar("Value")


def page_notes(tiff: tifffile.TiffFile) -> tuple[str, ...]:
    """Say that there are more pages than the one that is read."""
    with decoder():
        pages = len(tiff.pages)
        # Reduced copies are no pages; to look into a great many for them would take minutes.
        if pages <= _LOOKED_INTO:
            pages = sum(1 for each in tiff.pages if not each.aspage().is_reduced)
    return (f"Only the first of {pages} pages was read",) if pages > 1 else ()


def read_metadata(stream: BinaryIO, page: Page) -> Metadata:
    """Gather profile, EXIF, XMP, resolution and orientation of a page.

    Args:
        stream: The whole file, seekable.
        page: Its first page.

    Returns:
        What is there; a sentence for each tag that is damaged, or of a kind that nobody expects.
    """

    def fetch(offset: int, size: int) -> bytes:
        stream.seek(offset)
        return stream.read(size)

    tags = _Tags(page)
    exif: bytes | None = None
    notes: tuple[str, ...] = ()
    try:
        exif = exif_from_tiff(fetch)
    except (ValueError, struct.error):
        notes = ("The EXIF directory of this TIFF was left out",) if tags.has(_EXIF) else ()
    if tags.has(_IPTC):
        notes += ("Its IPTC data were left out",)
    icc = tags.read(_ICC, "colour profile", _content)
    xmp = tags.read(_XMP, "XMP", _content)
    metadata = take_orientation(icc=icc, exif=exif, xmp=xmp, xmp_alone=not tags.has(_ORIENTATION))
    # A page without descriptive tags has no EXIF block, but may still lie on its side.
    turn = tags.read(_ORIENTATION, "orientation", _integer)
    orientation = turn if turn is not None and 1 <= turn <= 8 else 1
    resolution = tags.resolution()
    unit = tags.read(_RESOLUTION_UNIT, "resolution unit", _integer)
    per_inch = _INCHES_PER_UNIT.get(2 if unit is None else unit)
    dpi = density = None
    if resolution and per_inch:
        dpi = (resolution[0] / per_inch, resolution[1] / per_inch)
    elif resolution and unit == _NO_UNIT:
        density = ratio(*resolution)
    return replace(
        metadata,
        dpi=upright_dpi(dpi, orientation),
        density=upright_density(density, orientation),
        orientation=orientation,
        warnings=(*metadata.warnings, *notes, *tags.notes),
    )


class _Tags:
    """Reads tags one by one; what cannot be made sense of is noted and counts as absent."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.notes: tuple[str, ...] = ()

    def has(self, code: int) -> bool:
        with decoder():
            return self._page.raw.tags.get(code) is not None

    def read(self, code: int, what: str, convert: Callable[[Any], Value | None]) -> Value | None:
        """The value of a tag, or None."""
        try:
            with decoder():
                tag = self._page.raw.tags.get(code)
                value = None if tag is None else tag.value
        except DamageError:
            tag, value = True, None
        found = None if value is None else convert(value)
        if tag is not None and found is None:
            self.notes += (f"Its {what} is damaged and was left out",)
        return found

    def resolution(self) -> tuple[float, float] | None:
        """Horizontal and vertical pixels per unit, where there are both."""
        if not (self.has(_X_RESOLUTION) and self.has(_Y_RESOLUTION)):
            return None
        x, y = (self.read(code, "resolution", _number) for code in (_X_RESOLUTION, _Y_RESOLUTION))
        self.notes = tuple(dict.fromkeys(self.notes))
        return (x, y) if x and y else None


def _content(value: Any) -> bytes | None:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, tuple) and all(isinstance(each, int) for each in value):
        # Bytes that are called numbers.
        return bytes(value) if all(0 <= each < 256 for each in value) else None
    return value if isinstance(value, bytes) else None


def _integer(value: Any) -> int | None:
    first = value[0] if isinstance(value, tuple) and value else value
    return int(first) if isinstance(first, int) else None


def _number(value: Any) -> float | None:
    """A rational, or what some writers put in its place: an integer or a float; 0 is unknown."""
    numbers = value if isinstance(value, tuple) else (value,)
    if not numbers or not all(isinstance(each, int | float) for each in numbers[:2]):
        return None
    number = float(numbers[0])
    if len(numbers) > 1:
        number = number / numbers[1] if numbers[1] else 0.0
    return number if isfinite(number) else None
