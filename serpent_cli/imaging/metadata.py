"""EXIF, XMP, ICC and resolution: carried through, with the orientation taken out.

EXIF is patched in place, byte for byte, so that maker notes (whose inner offsets nobody knows)
stay readable. Sources: Exif 2.32; XMP part 1, tiff:Orientation and exif:PixelXDimension.
"""

import re
import struct
from dataclasses import dataclass

from serpent_cli.imaging import ifd
from serpent_cli.imaging.orientation import upright_size

_PREFIX = b"Exif\0\0"
_ORIENTATION = 0x0112
_RESOLUTION_TAGS, _RESOLUTION_UNIT = (0x011A, 0x011B), 0x0128
# Unspecified, or BT.709 primaries with one of the curves that viewers treat alike.
_PLAIN_PRIMARIES, _PLAIN_CURVES = (1, 2), (1, 2, 6, 13, 14, 15)
# Per inch and per centimetre; unit 1 knows only a ratio of sides.
_PER_INCH = {2: 1.0, 3: 2.54}
# IFD0 and EXIF tags that repeat the size of the picture.
_SIZE_TAGS = {0x0100: "width", 0x0101: "height", 0xA002: "width", 0xA003: "height"}
# Tags of a TIFF's first directory that describe the photograph rather than its layout.
DESCRIPTIVE_TAGS = frozenset(
    [270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, 40091, 40092, 40093, 40094, 40095]
)
_XMP_ORIENTATION = re.compile(
    rb"""(tiff:Orientation\s*=\s*["']|<tiff:Orientation>\s*)([1-8])(?=\s*(?:["']|</tiff:Orientation>))"""
)
_XMP_SIZES = {
    "width": re.compile(
        rb"""((?:tiff:ImageWidth|exif:PixelXDimension)\s*(?:=\s*["']|>\s*))(\d+)"""
    ),
    "height": re.compile(
        rb"""((?:tiff:ImageLength|exif:PixelYDimension)\s*(?:=\s*["']|>\s*))(\d+)"""
    ),
}


@dataclass(frozen=True)
class Metadata:
    """What a file says beside its pixels, the orientation already reset to 1.

    Attributes:
        icc: Colour profile.
        exif: EXIF block from its byte-order mark on.
        xmp: XMP packet.
        dpi: Horizontal and vertical pixels per inch of the upright picture.
        orientation: The EXIF value that the stored pixels still need, 1 to 8.
        warnings: One sentence for each thing that was dropped.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    orientation: int = 1
    warnings: tuple[str, ...] = ()


def take_orientation(
    *,
    icc: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> Metadata:
    """Bundle the metadata of a file and move the orientation out of them.

    Where EXIF has no orientation tag, that of XMP counts.

    Args:
        icc: Colour profile.
        exif: EXIF block, with or without its "Exif" prefix.
        xmp: XMP packet.
        dpi: Pixels per inch of the stored pixels; where they are absent, those of EXIF count.
            Not finite or not positive is none.

    Returns:
        Metadata whose `orientation` is still to be applied to the pixels.
    """
    warnings: tuple[str, ...] = ()
    orientation: int | None = None
    if exif is not None:
        try:
            exif, orientation = _reset_exif(exif.removeprefix(_PREFIX))
        except (ValueError, struct.error):
            exif = None
            warnings = ("The EXIF block is damaged and was left out",)
    if xmp is not None:
        found = _XMP_ORIENTATION.search(xmp)
        if orientation is None and found:
            orientation = int(found[2])
        xmp = _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)
    dpi = upright_dpi(dpi or (exif_dpi(exif) if exif else None), orientation or 1)
    return Metadata(icc or None, exif or None, xmp or None, dpi, orientation or 1, warnings)


def numbered_colours(primaries: int, curve: int) -> tuple[str, ...]:
    """Say that a colour space was left out that a file describes by numbers (ITU-T H.273) alone.

    Args:
        primaries: Number of its primaries.
        curve: Number of its transfer curve.

    Returns:
        One sentence; none for sRGB and what viewers show like it.
    """
    if primaries in _PLAIN_PRIMARIES and curve in _PLAIN_CURVES:
        return ()
    return (f"Its colour space (CICP {primaries}/{curve}) was left out: it counts as sRGB now",)


def exif_dpi(exif: bytes) -> tuple[float, float] | None:
    """Find horizontal and vertical pixels per inch in an EXIF block; None where it has none."""
    try:
        directory = ifd.read_first(ifd.fetch_from(exif))
        unit = directory.integer(_RESOLUTION_UNIT)
        entries = [directory.entries.get(tag) for tag in _RESOLUTION_TAGS]
        found = [each.rational(directory.order) if each else None for each in entries]
    except (ValueError, struct.error):
        return None
    per_inch = _PER_INCH.get(2 if unit is None else unit)
    if per_inch is None or not found[0] or not found[1]:
        return None
    return (found[0] * per_inch, found[1] * per_inch)


def upright_dpi(dpi: tuple[float, float] | None, orientation: int) -> tuple[float, float] | None:
    """Turn a resolution with its pixels; None where it makes no sense."""
    if dpi is None or not all(0 < value < 1e6 for value in dpi):
        return None
    return upright_size(*dpi, orientation)


def _reset_exif(exif: bytes) -> tuple[bytes, int | None]:
    """Give the block with orientation 1, and the orientation it had (None: no such tag)."""
    directory = ifd.read_first(ifd.fetch_from(exif))
    orientation = directory.integer(_ORIENTATION)
    if orientation is None:
        return exif, None
    if not 2 <= orientation <= 8:
        return exif, 1
    block = bytearray(exif)
    _patch_integer(block, directory, _ORIENTATION, 1)
    if directory.next_offset:
        # The thumbnail lies as the pixels lay; unlinked, no viewer shows it turned.
        struct.pack_into(directory.order + "I", block, directory.next_position, 0)
    return bytes(block), orientation


def _patch_integer(block: bytearray, directory: ifd.Directory, tag: int, value: int) -> None:
    entry = directory.entries.get(tag)
    if entry is None or entry.count != 1 or entry.type not in (ifd.SHORT, ifd.LONG):
        return
    if entry.type == ifd.SHORT and value > 0xFFFF:
        return
    code = "H" if entry.type == ifd.SHORT else "I"
    struct.pack_into(directory.order + code, block, entry.position, value)


def fit_exif(exif: bytes, height: int, width: int) -> bytes:
    """Set the size tags that an EXIF block already has to the size of the picture."""
    try:
        directory = ifd.read_first(ifd.fetch_from(exif))
        directories = [directory]
        offset = directory.integer(ifd.EXIF_IFD)
        if offset:
            directories.append(ifd.read_directory(ifd.fetch_from(exif), directory.order, offset))
    except (ValueError, struct.error):
        return exif
    block = bytearray(exif)
    sizes = {"height": height, "width": width}
    for each in directories:
        for tag, side in _SIZE_TAGS.items():
            _patch_integer(block, each, tag, sizes[side])
    return bytes(block)


def fit_xmp(xmp: bytes, height: int, width: int) -> bytes:
    """Set the size properties that an XMP packet already has to the size of the picture."""
    for side, value in (("height", height), ("width", width)):
        xmp = _XMP_SIZES[side].sub(rb"\g<1>%d" % value, xmp)
    return xmp


def exif_from_tiff(fetch: ifd.Fetch) -> bytes | None:
    """Gather an EXIF block from the directories of a TIFF file.

    Args:
        fetch: Reads the file.

    Returns:
        Descriptive tags (maker, model, author, ...), EXIF and GPS directories; None if none.

    Raises:
        ValueError: The first directory is damaged.
    """
    directory = ifd.read_first(fetch, bigtiff=True)
    tree = ifd.read_tree(fetch, directory)
    kept = [
        entry
        for entry in tree.entries
        if entry.tag in DESCRIPTIVE_TAGS or entry.tag == _ORIENTATION
    ]
    if not tree.children and all(entry.tag == _ORIENTATION for entry in kept):
        return None
    head = b"II*\0" if directory.order == "<" else b"MM\0*"
    head += struct.pack(directory.order + "I", 8)
    return head + ifd.Tree(kept, tree.children).serialise(directory.order, 8)
