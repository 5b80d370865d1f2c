"""What a TIFF says beside its pixels. Nothing here keeps a picture from being read.

Sources: TIFF 6.0; Adobe Photoshop TIFF Technical Notes; EXIF 2.32.
"""

from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from typing import BinaryIO, TypeVar

import tifffile

from serpent_cli.imaging import ifd
from serpent_cli.imaging.damage import decoder
from serpent_cli.imaging.metadata import (
    Metadata,
    exif_from_tiff,
    ratio,
    take_orientation,
    upright_density,
    upright_dpi,
)

_ORIENTATION, _XMP, _ICC, _IPTC = 274, 700, 34675, 33723
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


def read_metadata(stream: BinaryIO) -> Metadata:
    """Gather profile, EXIF, XMP, resolution and orientation of the first page.

    Args:
        stream: The whole file, seekable; its first directory is in reach.

    Returns:
        What is there; a sentence for each tag that is damaged, or of a kind that nobody expects.
    """

    def fetch(offset: int, size: int) -> bytes:
        stream.seek(offset)
        return stream.read(size)

    directory = ifd.read_first(fetch, bigtiff=True)
    notes = ("Its IPTC data were left out",) if _IPTC in directory.entries else ()

    def read(
        code: int, what: str, convert: Callable[[ifd.Entry, str], Value | None]
    ) -> Value | None:
        nonlocal notes
        entry = directory.entries.get(code)
        found = entry and convert(entry, directory.order)
        if entry and found is None:
            notes = (*notes, f"Its {what} is damaged and was left out")
        return found

    found = Metadata(
        icc=read(_ICC, "colour profile", _content),
        exif=exif_from_tiff(fetch, directory),
        xmp=read(_XMP, "XMP", _content),
    )
    metadata = take_orientation(found, xmp_alone=_ORIENTATION not in directory.entries)
    # A page without descriptive tags has no EXIF block, but may still lie on its side.
    turn = read(_ORIENTATION, "orientation", _integer)
    orientation = turn if turn is not None and 1 <= turn <= 8 else 1
    dpi = density = x = y = None
    if {_X_RESOLUTION, _Y_RESOLUTION} <= directory.entries.keys():
        x, y = (read(code, "resolution", _number) for code in (_X_RESOLUTION, _Y_RESOLUTION))
    unit = read(_RESOLUTION_UNIT, "resolution unit", _integer)
    per_inch = _INCHES_PER_UNIT.get(2 if unit is None else unit)
    if x and y and per_inch:
        dpi = (x / per_inch, y / per_inch)
    elif x and y and unit == _NO_UNIT:
        density = ratio(x, y)
    return replace(
        metadata,
        dpi=upright_dpi(dpi, orientation),
        density=upright_density(density, orientation),
        orientation=orientation,
        warnings=(*metadata.warnings, *dict.fromkeys(notes)),
    )


def _content(entry: ifd.Entry, order: str) -> bytes | None:
    if not entry.raw:
        return None
    if entry.type == ifd.ASCII:
        return entry.raw.rstrip(b"\0").strip()
    if entry.type in (ifd.BYTE, ifd.UNDEFINED):
        return entry.raw
    # Bytes that are called numbers.
    numbers = entry.numbers(order)
    known = numbers and all(isinstance(each, int) and 0 <= each < 256 for each in numbers)
    return bytes(int(each) for each in numbers) if known else None


def _integer(entry: ifd.Entry, order: str) -> int | None:
    numbers = entry.numbers(order)
    known = entry.type != ifd.BYTE and numbers and isinstance(numbers[0], int)
    return int(numbers[0]) if known else None


def _number(entry: ifd.Entry, order: str) -> float | None:
    """A rational, or what some writers put in its place: an integer or a float; 0 is unknown."""
    numbers = entry.numbers(order)
    if entry.type == ifd.BYTE or not numbers:
        return None
    number = float(numbers[0])
    if len(numbers) > 1:
        number = number / numbers[1] if numbers[1] else 0.0
    return number if isfinite(number) else None
