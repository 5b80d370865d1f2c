"""What reads and writes a format."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from serpent_cli.errors import PictureError
from serpent_cli.imaging.bands import BandSource, in_memory
from serpent_cli.imaging.formats.piece_writer import PieceWriter
from serpent_cli.imaging.metadata import Metadata
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.imaging.stored_samples import split_channels


@dataclass(frozen=True)
class Opened:
    """A file whose header is read.

    Attributes:
        height: Rows as stored.
        width: Columns as stored.
        orientation: EXIF value that the stored pixels still need.
        source: Gives its rows; once.
        sample_bytes: Most bytes of a sample of the picture.
        channels: Most channels of the picture, 3 or 4.
        by_rows: The rows are decoded as they are asked for.
    """

    height: int
    width: int
    orientation: int
    source: Callable[[], BandSource]
    sample_bytes: int = 1
    channels: int = 4
    by_rows: bool = False


def refuse_animated(frames: int, name: str) -> None:
    """Refuse a file of several frames; `name` is how the user calls it.

    Raises:
        PictureError: There is more than one.
    """
    if frames > 1:
        raise PictureError(
            f"cannot read {name}: it is animated ({frames} frames)",
            "Extract its frames as PNG files first",
        )


def whole(decode: Callable[[], Picture]) -> Callable[[], BandSource]:
    """The source of a picture that is decoded at once."""
    return lambda: in_memory(decode())


def decoded(
    samples: Samples,
    metadata: Metadata,
    name: str,
    *,
    bits: int = 8,
    notes: tuple[str, ...] = (),
    **others: Any,
) -> Picture:
    """The picture of samples that were decoded at once.

    Args:
        samples: (h, w) or (h, w, 1 to 4), as stored, in one of the depths of a `Picture`.
        metadata: What the file says beside them.
        name: Of the format.
        bits: Of a sample in the file.
        notes: What else could not be kept.
        others: Further attributes of the picture.
    """
    pixels, alpha, grey = split_channels(samples, metadata.orientation)
    fewer = bits if 8 < bits < 16 and pixels.dtype == np.uint16 else 0
    return metadata.picture(pixels, alpha, grey, format=name, notes=notes, bits=fewer, **others)


@dataclass(frozen=True)
class Codec:
    """A format's reader and writer.

    Attributes:
        opened: Reads the header of a file. Takes the whole file, seekable, which must stay open;
            its first `formats.HEAD_BYTES`; and how the user calls it. Raises PictureError where it
            is animated or not supported, DamageError where its header is damaged or cut off.
        rows: Begins a file that is written row by row, from a picture whose samples do not matter.
        encode: Writes a picture at once, at a quality where the format knows any.
    """

    opened: Callable[[BinaryIO, bytes, str], Opened]
    rows: Callable[[Picture, Metadata, BinaryIO], PieceWriter[Any]] | None = None
    encode: Callable[[Picture, Metadata, BinaryIO, int], None] | None = None
