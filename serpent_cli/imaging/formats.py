"""Formats: recognised by their first bytes, refused in words, written by suffix."""

import re
from dataclasses import dataclass
from pathlib import PurePath

from serpent_cli.errors import PictureError, UsageError

HEAD_BYTES = 1 << 16
"""How much of a file `sniff` and `stored_bits` want to see."""

READABLE = "PNG, JPEG, TIFF, WebP, AVIF, JPEG 2000, BMP, GIF and PPM"
_CONVERT = "Convert it to PNG or TIFF first"
_DEVELOP = "Develop it to a 16-bit TIFF or PNG with a raw converter first"
_DENOISE = "`serpent denoise` takes cubes of many bands: TIFF, ENVI, .npy and .mat"
_HEIC = "Convert it to PNG, TIFF or JPEG first, for example with the program that made it"

# Camera files that wear a TIFF header are known by their suffix only.
_RAW_SUFFIX = re.compile(
    r"\.(3fr|arw|cr2|cr3|crw|dcr|dng|erf|fff|iiq|k25|kdc|mef|mos|mrw|nef|nrw|orf|pef|raf|raw"
    r"|rw2|rwl|sr2|srf|srw|x3f)"
)
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"heif")


@dataclass(frozen=True)
class Format:
    """What a format that can be written is able to hold.

    Attributes:
        name: As the user knows it.
        suffixes: Lower case, with the dot.
        bits: Most bits per channel that it holds here; 32 are floats.
        alpha: Holds transparency.
        carries: The names among "icc", "exif", "xmp", "dpi", "density" and "cicp" that it holds.
        max_side: Most pixels along one side.
    """

    name: str
    suffixes: tuple[str, ...]
    bits: int = 8
    alpha: bool = False
    carries: frozenset[str] = frozenset()
    max_side: int = (1 << 31) - 1


_ALL = frozenset({"icc", "exif", "xmp", "dpi"})
_SHAPED = _ALL | {"density"}
WRITABLE = (
    Format("PNG", (".png",), 16, True, _SHAPED | {"cicp"}),
    Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), carries=_SHAPED, max_side=65500),
    Format("TIFF", (".tif", ".tiff"), 32, True, _SHAPED),
    Format("WebP", (".webp",), alpha=True, carries=_ALL - {"dpi"}, max_side=16383),
    Format("AVIF", (".avif",), 12, True, _SHAPED - {"dpi"} | {"cicp"}, max_side=65536),
    Format("JPEG 2000", (".jp2",), 16, True, _ALL),
    Format("BMP", (".bmp",), alpha=True, carries=frozenset({"dpi"}), max_side=32767),
)


def format_for(path: PurePath) -> Format:
    """Choose the format to write from a path's suffix.

    Raises:
        UsageError: No format goes by that suffix.
    """
    suffix = path.suffix.lower()
    for each in WRITABLE:
        if suffix in each.suffixes:
            return each
    known = ", ".join(suffix for each in WRITABLE for suffix in each.suffixes)
    what = f"pictures cannot be written as {suffix}" if suffix else "the name has no suffix"
    raise UsageError(f"cannot write {path}: {what}", f"Use one of {known}")


def format_named(name: str) -> Format:
    """Find the format that a user names, such as `jpg`, `tiff` or `png`.

    Raises:
        UsageError: There is none of that name.
    """
    for each in WRITABLE:
        if f".{name.lower().removeprefix('.')}" in each.suffixes:
            return each
    known = ", ".join(each.suffixes[0].removeprefix(".") for each in WRITABLE)
    raise UsageError(f"pictures cannot be written as {name!r}", f"Use one of {known}")


def sniff(head: bytes, name: str) -> str:
    """Recognise a picture by its first bytes.

    Args:
        head: The first bytes of the file, `HEAD_BYTES` where there are so many.
        name: How the user calls the picture; its suffix tells camera files from plain TIFF.

    Returns:
        One of "PNG", "JPEG", "TIFF", "WEBP", "AVIF", "JPEG2000", "BMP", "GIF", "PPM".

    Raises:
        PictureError: Something else; the sentence names it where it is known.
    """
    suffix = PurePath(name).suffix.lower()
    refused = _refused(head, suffix)
    if refused:
        raise PictureError(f"cannot read {name}: {refused[0]}", refused[1])
    for kind, matches in _signatures(head).items():
        if matches:
            return kind
    raise PictureError(
        f"cannot read {name}: it is not a picture, or of an unknown kind",
        f"Readable are {READABLE}",
    )


def _signatures(head: bytes) -> dict[str, bool]:
    return {
        "PNG": head.startswith(b"\x89PNG\r\n\x1a\n"),
        "JPEG": head.startswith(b"\xff\xd8\xff"),
        "TIFF": head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        "WEBP": head[:4] == b"RIFF" and head[8:12] == b"WEBP",
        "AVIF": head[4:8] == b"ftyp" and _is_avif(head),
        "JPEG2000": head.startswith((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")),
        "BMP": head.startswith(b"BM"),
        "GIF": head.startswith((b"GIF87a", b"GIF89a")),
        "PPM": head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace(),
    }


def _is_avif(head: bytes) -> bool:
    # AVIF may name a general brand first and itself among the compatible ones.
    return any(brand in head[8 : 8 + head[3]] for brand in (b"avif", b"avis"))


def _refused(head: bytes, suffix: str) -> tuple[str, str] | None:
    """Name a kind that is known but not read, with the way out."""
    if _RAW_SUFFIX.fullmatch(suffix) or _is_raw(head):
        return "it is a camera raw file, which must be developed first", _DEVELOP
    if head[4:8] == b"ftyp" and not _is_avif(head):
        if head[8:12] in _HEIC_BRANDS:
            return "HEIC and HEIF pictures are not supported", _HEIC
        return "it is a video or an unknown container", "Extract a frame as PNG first"
    start = head[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in head[:4096]):
        return "it is an SVG drawing, not a photograph", "Render it to PNG first"
    if head.startswith((b"\x93NUMPY", b"MATLAB 5.0 MAT-file", b"ENVI\n", b"ENVI\r")):
        return "it is an array of numbers, perhaps a cube, and not a photograph", _DENOISE
    for magic, what in (
        (b"%PDF", "it is a PDF document"),
        (b"%!PS", "it is a PostScript document"),
        (b"8BPS", "Photoshop files are not supported"),
        (b"gimp xcf", "GIMP files are not supported"),
        (b"\xff\x0a", "JPEG XL pictures are not supported"),
        (b"\0\0\0\x0cJXL ", "JPEG XL pictures are not supported"),
        (b"\x76\x2f\x31\x01", "OpenEXR pictures are not supported"),
        (b"#?R", "Radiance HDR pictures are not supported"),
        (b"\0\0\1\0", "icons are not supported"),
        (b"DDS ", "textures are not supported"),
    ):
        if head.startswith(magic):
            return what, _CONVERT
    return None


def _is_raw(head: bytes) -> bool:
    magics = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM")
    return (
        head.startswith(magics)
        or (head[:4] == b"II*\0" and head[8:10] == b"CR")
        or (head[:2] == b"II" and head[6:14] == b"HEAPCCDR")
        or (head[4:8] == b"ftyp" and head[8:11] == b"crx")
    )


def stored_bits(head: bytes) -> int:
    """Find the bits per channel of an AVIF, which Pillow decodes to 8 whatever it holds.

    Args:
        head: The first `HEAD_BYTES` of the file.

    Returns:
        8, 10 or 12; 8 where it is not found.
    """
    at = head.find(b"av1C")
    flags = head[at + 6] if 0 <= at < len(head) - 6 else 0
    return 12 if flags & 0x60 == 0x60 else 10 if flags & 0x40 else 8
