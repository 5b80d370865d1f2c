"""All formats in one table: recognised by first bytes, refused in words, written by suffix."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING

from serpent_cli.errors import PictureError, UsageError

if TYPE_CHECKING:
    from serpent_cli.imaging.formats.codec import Codec

HEAD_BYTES = 1 << 16
"""How much of a file `sniff` and codecs want to see."""

_CONVERT = "Convert it to PNG or TIFF first"
CAMERA_RAW = (
    "it is a camera raw file, which must be developed first",
    "Develop it to a 16-bit TIFF or PNG with a raw converter first",
)
"""Why it is not read, and the way out."""
_DENOISE = "`serpent denoise` takes cubes of many bands: TIFF, ENVI, .npy and .mat"
_HEIC = "Convert it to PNG, TIFF or JPEG first, for example with the program that made it"

# Camera files that wear a TIFF header are known by their suffix only. Of the common ones it is said
# in folders too that they are refused: silence would lose pictures.
_COMMON_RAW = frozenset({".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2"})
_RAW = _COMMON_RAW | {
    ".3fr", ".crw", ".dcr", ".erf", ".fff", ".iiq", ".k25", ".kdc", ".mef", ".mos", ".mrw", ".nrw",
    ".pef", ".raw", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
}  # fmt: skip
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"heif")


@dataclass(frozen=True)
class Format:
    """What there is to know of a format without a decoder; that is what `codec` gives.

    Attributes:
        name: As the user knows it.
        module: What reads and writes it, in this package.
        starts: Recognises its first bytes.
        suffixes: Lower case, with the dot; the first is the usual one. Empty where it is only read.
        read_suffixes: Others that such files go by, which are read and not written.
        media_type: How it is called on the web.
        bits: Most bits per channel that it holds here; 32 are floats.
        alpha: Holds transparency.
        grey: Holds one channel; else grey is written as three that are equal.
        carries: The names among "icc", "exif", "xmp", "dpi", "density" and "cicp" that it holds.
        longest: Most bytes that it holds of one of these.
        max_side: Most pixels along one side.
        by_rows: A picture is written without being held whole.
        quality: At which pictures from elsewhere are written; None where nothing is lost.
        exact: Nothing is lost at quality 100.
        decoding_bytes: Most bytes per pixel while it is decoded, beyond what coding took.
    """

    name: str
    module: str
    starts: Callable[[bytes], bool]
    suffixes: tuple[str, ...] = ()
    read_suffixes: tuple[str, ...] = ()
    media_type: str = ""
    bits: int = 8
    alpha: bool = False
    grey: bool = True
    carries: frozenset[str] = frozenset()
    longest: Mapping[str, int] = field(default_factory=dict[str, int])
    max_side: int = (1 << 31) - 1
    by_rows: bool = False
    quality: int | None = None
    exact: bool = False
    decoding_bytes: int = 0

    def codec(self) -> "Codec":
        """Its reader and writer, which load when they are first needed."""
        return import_module(f"{__name__}.{self.module}").CODEC


def _begins(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(marks)


def _is_avif(head: bytes) -> bool:
    # AVIF may name a general brand first and itself among the compatible ones.
    brands = head[8 : 8 + head[3]] if head[4:8] == b"ftyp" else b""
    return any(brand in brands for brand in (b"avif", b"avis"))


def _is_ppm(head: bytes) -> bool:
    return head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace()


_ALL = frozenset({"icc", "exif", "xmp", "dpi"})
_SHAPED = _ALL | {"density"}
# One JPEG segment holds 65 533 bytes, less the name that opens it.
_SEGMENTS = {"exif": 65533 - 6, "xmp": 65533 - 29}
# Bytes while decoding, measured at 12 megapixels: 16 for WebP, 9 to 13 for AVIF. A JPEG is read
# once more by bands of what its decoder holds.
FORMATS = (
    Format(
        "PNG", "png", _begins(b"\x89PNG\r\n\x1a\n"), (".png",), (".apng",), "image/png", 16,
        alpha=True, carries=_SHAPED | {"cicp"}, by_rows=True,
    ),
    Format(
        "JPEG", "jpeg", _begins(b"\xff\xd8\xff"), (".jpg", ".jpeg", ".jpe", ".jfif"),
        media_type="image/jpeg", carries=_SHAPED, longest=_SEGMENTS, max_side=65500, quality=95,
    ),
    Format(
        "TIFF", "tiff", _begins(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), (".tif", ".tiff"),
        media_type="image/tiff", bits=32, alpha=True, carries=_SHAPED, by_rows=True,
    ),
    Format(
        "WebP", "webp", lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", (".webp",),
        media_type="image/webp", alpha=True, grey=False, carries=_ALL - {"dpi"}, max_side=16383,
        quality=95, exact=True, decoding_bytes=20,
    ),
    Format(
        "AVIF", "avif", _is_avif, (".avif",), media_type="image/avif", bits=12, alpha=True,
        carries=_SHAPED - {"dpi"} | {"cicp"}, max_side=65536, quality=90, exact=True,
        decoding_bytes=20,
    ),
    Format(
        "JPEG 2000", "jp2", _begins(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"), (".jp2",),
        (".j2k", ".j2c"), "image/jp2", 16, alpha=True, carries=_ALL,
    ),
    Format(
        "BMP", "bmp", _begins(b"BM"), (".bmp",), (".dib",), "image/bmp", alpha=True,
        carries=frozenset({"dpi"}), max_side=32767,
    ),
    Format("GIF", "pillow", _begins(b"GIF87a", b"GIF89a"), read_suffixes=(".gif",)),
    Format("PPM", "netpbm", _is_ppm, read_suffixes=(".ppm", ".pgm", ".pbm", ".pnm")),
)  # fmt: skip
"""All formats, in the order in which they are named to the user."""

WRITABLE = tuple(each for each in FORMATS if each.suffixes)
_BY_SUFFIX = {suffix: each for each in WRITABLE for suffix in each.suffixes}
WRITABLE_SUFFIXES = frozenset(_BY_SUFFIX)

PICTURE_SUFFIXES = (
    frozenset(suffix for each in FORMATS for suffix in (*each.suffixes, *each.read_suffixes))
    | _COMMON_RAW
    | {".heic", ".heif", ".jxl"}
)
"""Of what counts as a picture where a folder is searched, be it to refuse it in words."""


def format_for(path: PurePath) -> Format:
    """Choose the format to write from a path's suffix.

    Raises:
        UsageError: No format goes by that suffix.
    """
    suffix = path.suffix.lower()
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    known = ", ".join(_BY_SUFFIX)
    what = f"pictures cannot be written as {suffix}" if suffix else "the name has no suffix"
    raise UsageError(f"cannot write {path}: {what}", f"Use one of {known}")


def format_named(name: str) -> Format:
    """Find the format that a user names, such as `jpg`, `tiff` or `png`.

    Raises:
        UsageError: There is none of that name.
    """
    suffix = f".{name.lower().removeprefix('.')}"
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    raise UsageError(
        f"pictures cannot be written as {name!r}", f"Use one of {', '.join(format_names())}"
    )


def format_names() -> list[str]:
    """What `format_named` knows each format by first: png, jpg and so on."""
    return [each.suffixes[0].removeprefix(".") for each in WRITABLE]


def sniff(head: bytes, name: str) -> Format:
    """Recognise a picture by its first bytes.

    Args:
        head: The first bytes of the file, `HEAD_BYTES` where there are so many.
        name: How the user calls the picture; its suffix tells camera files from plain TIFF.

    Raises:
        PictureError: Something else; the sentence names it where it is known.
    """
    suffix = PurePath(name).suffix.lower()
    refused = _refused(head, suffix)
    if refused:
        raise PictureError(f"cannot read {name}: {refused[0]}", refused[1])
    for each in FORMATS:
        if each.starts(head):
            return each
    *others, last = (each.name for each in FORMATS)
    raise PictureError(
        f"cannot read {name}: it is not a picture, or of an unknown kind",
        f"Readable are {', '.join(others)} and {last}",
    )


def _refused(head: bytes, suffix: str) -> tuple[str, str] | None:
    """Name a kind that is known but not read, with the way out."""
    if suffix in _RAW or _is_raw(head):
        return CAMERA_RAW
    if head[4:8] == b"ftyp" and not _is_avif(head):
        if head[8:12] in _HEIC_BRANDS:
            return "HEIC and HEIF pictures are not supported", _HEIC
        return "it is a video or an unknown container", "Extract a frame as PNG first"
    start = head[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in head[:4096]):
        return "it is an SVG drawing, not a photograph", "Render it to PNG first"
    if head.startswith((b"\x93NUMPY", b"MATLAB 5.0 MAT", b"MATLAB 7.3 MAT", b"ENVI\n", b"ENVI\r")):
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
