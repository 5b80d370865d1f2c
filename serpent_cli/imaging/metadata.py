"""EXIF, XMP, ICC and resolution: carried through, with the orientation taken out.

EXIF is patched in place, byte for byte, so that maker notes (whose inner offsets nobody knows)
stay readable. Sources: Exif 2.32; XMP part 1, tiff:Orientation and exif:PixelXDimension.
"""

import re
import struct
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isfinite
from typing import Any

from serpent_cli.imaging import beside, ifd
from serpent_cli.imaging.orientation import upright_size
from serpent_cli.imaging.picture import Picture, Samples

METRES_PER_INCH = 0.0254

_PREFIX = b"Exif\0\0"
_ORIENTATION = 0x0112
_RESOLUTION_TAGS, _RESOLUTION_UNIT = (0x011A, 0x011B), 0x0128
_MOST_DENSITY = 65535
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
        density: As `Picture` has it, of the upright picture.
        cicp: As `Picture` has it.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    orientation: int = 1
    warnings: tuple[str, ...] = ()
    density: tuple[int, int] | None = None
    cicp: tuple[int, int] | None = None

    def without(self, left_out: tuple[str, ...]) -> "Metadata":
        """Note what lies beside the picture and is left out; XMP claims it no longer.

        Args:
            left_out: A sentence for each thing; if there is none, XMP stays as it is.
        """
        if not left_out:
            return self
        xmp = None if self.xmp is None else beside.without_claims(self.xmp)
        claims = (beside.CLAIMS,) if xmp != self.xmp else ()
        return replace(self, xmp=xmp, warnings=self.warnings + left_out + claims)

    def picture(
        self,
        pixels: Samples,
        alpha: Samples | None,
        grey: bool,
        *,
        format: str,
        notes: tuple[str, ...] = (),
        **others: Any,
    ) -> Picture:
        """Put pixels and metadata together.

        Args:
            pixels: (H, W, 3), upright.
            alpha: (H, W), or None.
            grey: The file has one channel.
            format: What it was read from.
            notes: What else could not be kept.
            others: Further attributes of the picture, in place of those here.
        """
        own: dict[str, Any] = {
            "icc": self.icc, "exif": self.exif, "xmp": self.xmp, "dpi": self.dpi,
            "density": self.density, "cicp": self.cicp,
        }  # fmt: skip
        return Picture(
            pixels, alpha, grey, format=format, warnings=self.warnings + notes, **(own | others)
        )


def take_orientation(found: Metadata, *, xmp_alone: bool = True) -> Metadata:
    """Move the orientation out of the metadata of a file.

    EXIF alone decides, as in browsers and in libvips: what XMP says of the orientation has no
    effect, and is set to 1 like that of EXIF.

    Args:
        found: As the file has it, with densities of the stored pixels. EXIF may have its "Exif"
            prefix; its resolution counts where `dpi` is absent.
        xmp_alone: Nothing but EXIF and XMP could state an orientation.

    Returns:
        Metadata whose `orientation` is still to be applied to the pixels. A resolution that is not
        finite or not positive is none.
    """
    exif, xmp, warnings = found.exif, found.xmp, found.warnings
    orientation: int | None = None
    if exif is not None:
        try:
            exif, orientation = _reset_exif(exif.removeprefix(_PREFIX))
        except (ValueError, struct.error):
            exif = None
            warnings += ("The EXIF block is damaged and was left out",)
    if xmp is not None:
        told = _XMP_ORIENTATION.search(xmp)
        if xmp_alone and orientation is None and told and told[2] != b"1":
            warnings += (
                "Only its XMP says that it lies on its side"
                f" (tiff:Orientation {told[2].decode()}): EXIF alone counts, it was not turned",
            )
        xmp = _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)
    turn = orientation or 1
    dpi = upright_dpi(found.dpi or (exif_dpi(exif) if exif else None), turn)
    return replace(
        found,
        icc=found.icc or None,
        exif=exif or None,
        xmp=xmp or None,
        dpi=dpi,
        orientation=turn,
        warnings=warnings,
        density=None if dpi else upright_density(found.density, turn),
    )


def ratio(x: float, y: float) -> tuple[int, int] | None:
    """Two densities of one unknown unit as `Picture.density`; None where they are equal."""
    if not (isfinite(x) and isfinite(y) and x > 0 and y > 0):
        return None
    share = Fraction(x / y).limit_denominator(_MOST_DENSITY)
    whole = share.numerator != share.denominator and 0 < share.numerator <= _MOST_DENSITY
    return (share.numerator, share.denominator) if whole else None


def upright_density(density: tuple[int, int] | None, turn: int) -> tuple[int, int] | None:
    """Turn a density with its pixels."""
    return None if density is None else upright_size(*density, turn)


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


def exif_from_tiff(fetch: ifd.Fetch, directory: ifd.Directory) -> bytes | None:
    """Gather an EXIF block from the directories of a TIFF file.

    Args:
        fetch: Reads the file.
        directory: Its first.

    Returns:
        Descriptive tags (maker, model, author, ...), EXIF and GPS directories; None if none.
    """
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
