"""Bytes that a picture takes on its way through: held whole, or streamed by bands."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from serpent_cli.tiling.grid import Span

FILL_CONTEXT = 64
"""Rows above and below a row of tiles from which colours are continued under transparency."""

ENCODING_BYTES = 160 * 2**20
"""What writing by bands has under way: pieces in threads, and temporaries of conversions."""

FRAGMENTS = 1.6
"""Bytes that stay mapped over bytes in use: freed maps rarely fit the next tile's exactly.
Measured over many tiles: 1.45; see `allocator`.
"""

SCATTERED = 2.1
"""Bytes that stay mapped over bytes in use while bands pass through: pieces of the file that is
written lie between them. Measured for a gigapixel: 1.0 on an idle machine, up to 2.04 on one so
busy that the pieces wait for a core.
"""

FLOAT = 4


@dataclass(frozen=True)
class Streams:
    """That a picture is read and written by bands, and how far.

    Attributes:
        step: Input rows that are decoded at one time.
        whole_input: The input is decoded whole all the same.
        whole_output: The result is collected and encoded whole all the same.
        picture: Rows and columns of the picture, if only a part of it is restored.
    """

    step: int = 256
    whole_input: bool = False
    whole_output: bool = False
    picture: tuple[int, int] | None = None


@dataclass(frozen=True)
class Sizes:
    """Sizes of a picture.

    Attributes:
        height: Input rows.
        width: Input columns.
        scale: Output pixels per input pixel and axis.
        sample_bytes: Bytes of one sample.
        channels: Channels held, alpha included.
    """

    height: int
    width: int
    scale: int
    sample_bytes: int
    channels: int

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel in the file's depth."""
        return self.channels * self.sample_bytes

    @property
    def fill_bytes(self) -> int:
        """Bytes per input pixel of colours continued under transparency, and their pyramid."""
        return 3 * self.sample_bytes + 12 if self.channels == 4 else 0


def whole_bytes(sizes: Sizes, rows: Sequence[Span], network: int, *, tiled: bool) -> int:
    """The most at one time while input and result are held whole.

    Args:
        sizes: Of the picture.
        rows: Spans of the tile rows.
        network: Bytes of a tile's activations on this machine, `FRAGMENTS` included.
        tiled: There are several tiles: what the network used is returned before coding.
    """
    area = sizes.height * sizes.width
    result = area * sizes.scale**2
    band = rows[0].length * sizes.width * sizes.scale**2 * 3 * FLOAT
    used = 2 * band + network + area * sizes.fill_bytes
    coding = 2 * result * sizes.pixel_bytes  # a codec's copies
    pictures = (area + result) * sizes.pixel_bytes
    return pictures + (max(used, coding) if tiled else used + coding)


def streamed_bytes(
    sizes: Sizes, rows: Sequence[Span], columns: Sequence[Span], network: int, streams: Streams
) -> int:
    """The most at one time while a picture is read, restored and written by bands.

    Args:
        sizes: Of the picture.
        rows: Spans of the tile rows.
        columns: Spans of the tile columns.
        network: Bytes of a tile's activations on this machine, `FRAGMENTS` included.
        streams: How far it is streamed.
    """
    enlarged, high = sizes.scale**2, rows[0].length
    # Rows as they were decoded, and as they are given to the network.
    rows_read = min(sizes.height, high + 2 * FILL_CONTEXT)
    read = rows_read * (3 * sizes.pixel_bytes + sizes.fill_bytes)
    # The step that is held, the next one, and how it was stored: of all columns, also of a part.
    all_rows, all_columns = streams.picture or (sizes.height, sizes.width)
    decoded = 3 * min(all_rows, streams.step) * sizes.pixel_bytes
    if streams.whole_input:
        decoded = all_rows * sizes.pixel_bytes
    # Beside a part: the pieces as they were decoded, those rows in one, and what lies scattered.
    beside = 3 * (all_columns - sizes.width) * rows_read * sizes.pixel_bytes
    shared = max((a.stop - b.start for a, b in pairwise(rows)), default=0)
    below = shared * enlarged * sizes.channels * FLOAT
    finished = high * enlarged * sizes.pixel_bytes
    tile = high * columns[0].length * enlarged * sizes.channels * FLOAT
    used = int(2 * tile * FRAGMENTS) + network + ENCODING_BYTES
    used += int(SCATTERED * sizes.width * (read + below + finished))
    used += int(SCATTERED * all_columns * decoded) + beside
    if not streams.whole_output:
        return used
    result = sizes.height * sizes.width * enlarged * sizes.pixel_bytes
    return result + max(used, 2 * result)
