"""A picture that is about to be read: its header, and whether there is memory for it."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Self

from serpent_cli.batch.places import Place, exists, fetch
from serpent_cli.batch.resizing import resampled_size
from serpent_cli.errors import PictureError
from serpent_cli.imaging.bands import Layout
from serpent_cli.imaging.geometry import Geometry
from serpent_cli.imaging.read import opened, read_layout
from serpent_cli.restoration.memory_budget import gibibytes
from serpent_cli.restoration.plan import Plan
from serpent_cli.restoration.region import Region, region_part
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.restoration.streamed import decoding_bytes

DECODING_BYTES = 40
"""Most bytes per pixel while a file is decoded; a header read by `read_size` tells no depth.
Measured: 37 for a float TIFF with alpha, 8 for a JPEG.
"""

LEAST_CONTENT = 2**20
"""Bytes of a file that may be fetched however small the budget is: it is said of the picture then
that it does not fit."""


@contextmanager
def local_file(source: Place) -> Generator[BinaryIO | None]:
    """A local file, opened once for its digest, header and pixels; None for any other place.

    Raises:
        PictureError: It cannot be opened.
    """
    if isinstance(source, Path) and (source.is_file() or not exists(source)):
        with opened(source) as (stream, _):
            yield stream
    else:
        yield None


@dataclass(frozen=True)
class Opened:
    """A picture before it is decoded.

    Attributes:
        content: The open file, or what was fetched.
        held: Bytes that were fetched into memory; 0 of a file.
        layout: What its header says.
    """

    content: BinaryIO
    held: int
    layout: Layout

    @classmethod
    def of(
        cls, source: Place, file: BinaryIO | None, restorer: Restorer, *, ahead: bool
    ) -> Self | None:
        """Look at a picture; what is no file is fetched, as far as the budget allows.

        Args:
            source: Where it lies.
            file: As of `local_file`.
            restorer: What is to restore it, with its budget.
            ahead: Another one is at work: nothing is fetched then, and the answer is None.

        Raises:
            PictureError: It cannot be read, or is too large.
        """
        if file is not None:
            return cls(file, 0, read_layout(file))
        if ahead:
            return None
        limit = max(LEAST_CONTENT, restorer.room)
        content = fetch(source, limit)
        held = content.seek(0, 2)
        content.seek(0)
        return cls(content, held, read_layout(content))

    @property
    def pixels(self) -> int:
        """Number of them."""
        return self.layout.height * self.layout.width

    @property
    def decoding(self) -> int:
        """Most bytes that decoding takes."""
        return self.pixels * DECODING_BYTES


def plan_whole(
    layout: Layout,
    restorer: Restorer,
    region: Region | None,
    size: Geometry | None,
    held: int = 0,
) -> Plan:
    """The plan of a picture that will be held whole, before it is decoded.

    Args:
        layout: What its header says; of what it does not tell the least counts.
        restorer: What is to restore it.
        region: The only part to restore.
        size: What the result is resampled to.
        held: Bytes that its file takes in memory.

    Raises:
        SerpentError: Decoding it whole, or restoring it, exceeds the restorer's budget.
        UsageError: The region does not lie in it.
    """
    if layout.whole and (layout.sample_bytes, layout.channels) == (2, 4):
        # Its header tells neither: what it has at least.
        layout = replace(layout, sample_bytes=1, channels=3)
    height, width = layout.height, layout.width
    needed = held + decoding_bytes(layout, restorer)
    if restorer.budget is not None and needed > restorer.budget:
        least = gibibytes(needed)
        raise PictureError(
            f"cannot read the {width} x {height} picture whole: that takes {least} of memory",
            hint=f"give --max-memory {least} or more",
        )
    if region is not None:
        (_, _, width, height), _ = region_part(height, width, region, restorer.costs)
    if size is not None:
        inside = (height, width) if region is None else (region[3], region[2])
        resampled_size(size, *inside, restorer, layout.sample_bytes * layout.channels)
    return restorer.plan(height, width, sample_bytes=layout.sample_bytes, channels=layout.channels)
