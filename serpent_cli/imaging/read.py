"""Reading: from a file, bytes or a stream to a `Picture`, or one clear sentence why not."""

import errno
import io
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from serpent_cli.errors import PictureError, reason_of
from serpent_cli.imaging import formats
from serpent_cli.imaging.bands import BandReader, BandSource, Layout
from serpent_cli.imaging.damage import DamageError, one_sentence
from serpent_cli.imaging.formats.codec import Opened
from serpent_cli.imaging.orientation import upright_size
from serpent_cli.imaging.picture import Picture

DEFAULT_MAX_PIXELS = 500_000_000
"""Pictures with more pixels than this are refused unless the caller raises the limit."""

COUNTABLE_PIXELS = 2**61
"""Of more pixels than this numpy cannot count the samples, even where they take no memory."""

Source = str | Path | bytes | BinaryIO

_REASONS = {
    errno.ENOENT: ("there is no such file", "Check the name and the folder"),
    errno.EISDIR: ("it is a folder, not a picture", "Name a file inside it"),
    errno.EACCES: ("permission denied", "Check who may read the file"),
    errno.EPERM: ("permission denied", "Check who may read the file"),
}


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
    with opened(path) as (stream, name), one_sentence(name):
        return _source(stream, name, max_pixels).whole()


def read_size(path: Source) -> tuple[int, int]:
    """Read only the header.

    Args:
        path: A file's path, its content, or a binary stream.

    Returns:
        Height and width of the upright picture, as `read_picture` would give it.

    Raises:
        PictureError: As for `read_picture`, as far as the header shows it.
    """
    with opened(path) as (stream, name), one_sentence(name):
        found = _header(stream, name)
    return upright_size(found.height, found.width, found.orientation)


@contextmanager
def open_bands(path: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Generator[BandReader]:
    """Open a picture to read it by bands, upright, in the depth of its file.

    The rows are those of `read_picture`, and so is what is refused. A picture whose format or
    orientation does not allow it is decoded whole when it is opened.

    Args:
        path: A file's path, its content, or a binary stream.
        max_pixels: Larger pictures are refused before they are decoded.

    Raises:
        PictureError: As for `read_picture`; what is found only in the pixels when they are read.
    """
    with opened(path) as (stream, name):
        with one_sentence(name):
            source = _source(stream, name, max_pixels).upright()
        yield BandReader(source, name)


def read_layout(path: Source) -> Layout:
    """Read only the header, for planning.

    Where it does not tell the depth, the deepest that the format can have is given.

    Raises:
        PictureError: As for `read_size`.
    """
    with opened(path) as (stream, name), one_sentence(name):
        found = _header(stream, name)
        # A side of no length is damage. Of what is too large, whoever reads the picture says so.
        check_size(found.height, found.width, name, sys.maxsize)
        countable = found.height * found.width <= COUNTABLE_PIXELS
        if found.by_rows and found.orientation == 1 and countable:
            return found.source().layout()
        height, width = upright_size(found.height, found.width, found.orientation)
        return Layout(height, width, found.sample_bytes, found.channels, True, height)


def _header(stream: BinaryIO, name: str) -> Opened:
    head = read_head(stream, name)
    return formats.sniff(head, name).codec().opened(stream, head, name)


def _source(stream: BinaryIO, name: str, max_pixels: int) -> BandSource:
    found = _header(stream, name)
    check_size(found.height, found.width, name, max_pixels)
    return found.source()


def check_size(height: int, width: int, name: str, max_pixels: int) -> None:
    """Refuse a picture that is too large.

    Raises:
        PictureError: It has more than `max_pixels` pixels.
        DamageError: It has none.
    """
    if height < 1 or width < 1:
        raise DamageError("a side of no length")
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
    except (OSError, ValueError) as error:
        known = getattr(error, "errno", 0)
        reason, hint = _REASONS.get(known, (reason_of(error), "Check the name"))
        raise PictureError(f"cannot read {path}: {reason}", hint) from None


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
            f"cannot read {name}: {reason_of(error)}", "Check the disk or the network"
        ) from None
    if not head:
        raise PictureError(f"cannot read {name}: the file is empty", "Copy or download it again")
    stream.seek(0)
    return head
