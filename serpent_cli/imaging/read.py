"""Reading: from a file, bytes or a stream to a `Picture`, or one clear sentence why not."""

import io
import struct
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tifffile
from PIL import Image

from serpent_cli.errors import PictureError
from serpent_cli.imaging import avif, bmp, eight_bit, formats, jp2, png, tiff
from serpent_cli.imaging.orientation import upright_size
from serpent_cli.imaging.picture import Picture

DEFAULT_MAX_PIXELS = 500_000_000
"""Pictures with more pixels than this are refused unless the caller raises the limit."""

_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    RuntimeError,
    AssertionError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What decoders raise on damaged files, found by flipping bytes; their bugs are not ours to fix."""

Source = str | Path | bytes | BinaryIO


def read_picture(path: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """Read a picture, upright, in the depth of its file.

    The EXIF orientation is applied to the pixels once and its tag set to 1. Palettes and 1-bit
    pictures become 8-bit grey or colour, CMYK becomes sRGB; every other colour space is kept
    as it is, together with its profile.

    Args:
        path: A file's path, its content, or a binary stream.
        max_pixels: Larger pictures are refused before they are decoded.

    Returns:
        The picture; its `warnings` tell what could not be kept.

    Raises:
        PictureError: Missing, empty, truncated, damaged, too large, animated, or not a
            supported picture.
    """
    with opened(path) as (stream, name):
        head = read_head(stream, name)
        kind = formats.sniff(head, name)
        with one_sentence(name):
            return _decode(stream, kind, head, name, max_pixels)


def read_size(path: Source) -> tuple[int, int]:
    """Read only the header.

    Args:
        path: A file's path, its content, or a binary stream.

    Returns:
        Height and width of the upright picture, as `read_picture` would give it.

    Raises:
        PictureError: As for `read_picture`, as far as the header shows it.
    """
    with opened(path) as (stream, name):
        kind = formats.sniff(read_head(stream, name), name)
        with one_sentence(name):
            if kind == "PNG":
                header = png.read_header(stream)
                size, metadata = (header.height, header.width), header.metadata()
            elif kind == "TIFF":
                with tifffile.TiffFile(stream, name="picture") as file:
                    page = tiff.first_page(file, name)
                    size = (page.imagelength, page.imagewidth)
                    metadata = tiff.read_metadata(stream, page)
            elif kind == "JPEG2000":
                jpeg = jp2.read_header(stream)
                size, metadata = (jpeg.height, jpeg.width), jpeg.metadata
            else:
                image = eight_bit.open_eight_bit(stream, kind, name)
                size, metadata = (image.height, image.width), eight_bit.image_metadata(image)
    return upright_size(*size, metadata.orientation)


def _decode(stream: BinaryIO, kind: str, head: bytes, name: str, max_pixels: int) -> Picture:
    bits = formats.stored_bits(kind, head)
    if kind == "PNG":
        header = png.read_header(stream)
        check_size(header.height, header.width, name, max_pixels)
        png.check_still(header, name)
        return png.read_png(stream, header)
    if kind == "TIFF":
        stream.seek(0)
        with tifffile.TiffFile(stream, name="picture") as file:
            page = tiff.first_page(file, name)
            check_size(page.imagelength, page.imagewidth, name, max_pixels)
            return tiff.read_tiff(stream, file, name)
    if kind == "JPEG2000":
        return _decode_jp2(stream, name, max_pixels)
    image = eight_bit.open_eight_bit(stream, kind, name)
    check_size(image.height, image.width, name, max_pixels)
    metadata = eight_bit.image_metadata(image)
    if kind == "BMP":
        metadata = replace(metadata, icc=bmp.embedded_profile(stream))
    if kind == "AVIF":
        metadata = avif.note_colours(metadata, head)
        if bits > 8:
            return avif.read_deep(stream, bits, metadata, name)
    return eight_bit.read_eight_bit(image, kind, bits, name, metadata)


def _decode_jp2(stream: BinaryIO, name: str, max_pixels: int) -> Picture:
    header = jp2.read_header(stream)
    check_size(header.height, header.width, name, max_pixels)
    if jp2.is_deep(header):
        return jp2.read_deep(stream, header, name)
    image = eight_bit.open_eight_bit(stream, "JPEG2000", name)
    if (image.height, image.width) != (header.height, header.width):
        raise ValueError("JPEG 2000 with two sizes")
    return eight_bit.read_eight_bit(image, "JPEG2000", header.bits, name, header.metadata)


def check_size(height: int, width: int, name: str, max_pixels: int) -> None:
    """Refuse a picture that is too large.

    Raises:
        PictureError: It has more than `max_pixels` pixels.
        ValueError: It has none.
    """
    if height < 1 or width < 1:
        raise ValueError("a side of no length")
    if height * width > max_pixels:
        raise PictureError(
            f"cannot read {name}: {width}x{height} is {height * width / 1e6:.0f} megapixels,"
            f" more than the limit of {max_pixels / 1e6:g}",
            f"If the picture is genuine, raise the limit with --max-pixels {height * width}",
        )


@contextmanager
def opened(source: Source) -> Generator[tuple[BinaryIO, str]]:
    """Give a seekable stream and what to call it."""
    if isinstance(source, bytes):
        yield io.BytesIO(source), "the picture"
    elif isinstance(source, (str, Path)):
        with _open_file(Path(source)) as file:
            # A named pipe cannot be searched.
            yield (file if file.seekable() else io.BytesIO(file.read())), str(source)
    else:
        name = str(getattr(source, "name", "the picture"))
        yield (source if source.seekable() else io.BytesIO(source.read())), name


def _open_file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise PictureError(
            f"cannot read {path}: there is no such file", "Check the name and the folder"
        ) from None
    except IsADirectoryError:
        raise PictureError(
            f"cannot read {path}: it is a folder, not a picture", "Name a file inside it"
        ) from None
    except PermissionError:
        raise PictureError(
            f"cannot read {path}: permission denied", "Check who may read the file"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PictureError(f"cannot read {path}: {reason}", "Check the name") from None


def read_head(stream: BinaryIO, name: str) -> bytes:
    """Read the first bytes of a picture and go back to its start.

    Raises:
        PictureError: It is empty, or cannot be read.
    """
    try:
        stream.seek(0)
        head = stream.read(formats.HEAD_BYTES)
    except OSError as error:
        raise PictureError(
            f"cannot read {name}: {error.strerror or error}", "Check the disk or the network"
        ) from None
    if not head:
        raise PictureError(f"cannot read {name}: the file is empty", "Copy or download it again")
    stream.seek(0)
    return head


@contextmanager
def one_sentence(name: str) -> Generator[None]:
    """Turn whatever a decoder raises on a bad file into one sentence."""
    try:
        # tifffile lets NumPy count with numbers from the file; overflows would reach stderr.
        with np.errstate(all="ignore"):
            yield
    except MemoryError:
        raise PictureError(
            f"cannot read {name}: there is not enough memory to decode it",
            "Close other programs or use a smaller picture",
        ) from None
    except Image.DecompressionBombError:
        raise PictureError(
            f"cannot read {name}: it is larger than its decoder allows",
            "Convert it to PNG or TIFF first",
        ) from None
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno:
            raise PictureError(
                f"cannot read {name}: {error.strerror or error}", "Check the disk or the network"
            ) from error
        text = str(error).lower()
        cut = isinstance(error, EOFError) or any(
            word in text for word in ("truncated", "too small", "not enough", "failed to read")
        )
        state = "truncated" if cut else "damaged or truncated"
        raise PictureError(
            f"cannot read {name}: the file is {state}", "Copy, download or export it again"
        ) from error
