"""Very large pictures: read, restored and written by bands, never held whole.

The result is that of `Restorer.restore` with the same tiles, bit for bit. Only colours under full
transparency, which nobody sees, may differ: they continue what is visible in the same row of tiles
and `FILL_CONTEXT` rows around it, not in the whole picture.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from serpent_cli.errors import PictureError, SerpentError
from serpent_cli.imaging.band_writer import BandWriter, written_by_bands
from serpent_cli.imaging.bands import BandReader, Layout, resized
from serpent_cli.imaging.read import DEFAULT_MAX_PIXELS, open_bands, read_layout
from serpent_cli.restoration.allocator import reused_memory, trim
from serpent_cli.restoration.band_run import BandRun, RegionReader
from serpent_cli.restoration.difference import Difference
from serpent_cli.restoration.footprint import Streams
from serpent_cli.restoration.memory_budget import budget_or_default, gibibytes
from serpent_cli.restoration.plan import Plan, make_plan
from serpent_cli.restoration.region import Region, region_part
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.restoration.retry import in_smaller_tiles
from serpent_cli.restoration.written import judged
from serpent_cli.tiling.blend import OnTile

DECODING = 2.5
"""Peak bytes of decoding a picture whole over the bytes of its samples."""


@dataclasses.dataclass(frozen=True)
class StreamedResult:
    """What was written.

    Attributes:
        width: Output pixels per row.
        height: Output rows.
        tiles: Tiles it was restored in.
        peak_bytes: Predicted peak of the process's resident memory.
        warnings: What could not be kept.
        difference: What restoring changed; None where the result has another size.
    """

    width: int
    height: int
    tiles: int
    peak_bytes: int
    warnings: tuple[str, ...]
    difference: Difference | None = None


@dataclasses.dataclass(frozen=True)
class StreamOptions:
    """How a picture is restored by bands.

    Attributes:
        force: Overwrite an existing target.
        quality: As for `write_picture`.
        max_pixels: Larger pictures are refused.
        region: (x, y, w, h), the only part to restore.
        on_size: Called with (input height, input width) before the picture is restored.
        on_tile: Called with (tiles done, tiles in all), alpha's included; after memory ran out it
            begins anew.
        on_ready: Called with the encoded file, and all warnings, before it takes its name.
    """

    force: bool = False
    quality: int | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS
    region: Region | None = None
    on_size: Callable[[int, int], None] = lambda height, width: None
    on_tile: OnTile | None = None
    on_ready: Callable[[BinaryIO, tuple[str, ...]], None] | None = None


def needs_streaming(restorer: Restorer, layout: Layout) -> bool:
    """Whether a picture fits the memory by bands, but not whole.

    Args:
        restorer: What is to restore it, with its budget; without one, the machine's counts.
        layout: Of the picture.
    """
    budget = budget_or_default(restorer.budget)

    def fits(streams: Streams | None) -> bool:
        try:
            make_plan(
                layout.height, layout.width, restorer.costs, budget, restorer.tile,
                vram=restorer.vram, sample_bytes=layout.sample_bytes, channels=layout.channels,
                streams=streams,
            )  # fmt: skip
        except SerpentError:
            return False
        return True

    return (decoding_bytes(layout, restorer) > budget or not fits(None)) and fits(Streams())


def restore_file(
    source: Path, target: Path, restorer: Restorer, options: StreamOptions | None = None
) -> StreamedResult:
    """Restore a picture file by bands.

    PNG and TIFF that stand upright are read by bands, other pictures decoded whole; PNG and TIFF
    are written by bands, other results collected and encoded whole.

    Args:
        source: The picture.
        target: The file to write; its folder must exist.
        restorer: Restores it.
        options: How.

    Raises:
        PictureError: The picture cannot be read, restored or written; nothing is left behind then.
        UsageError: The region does not lie inside the picture, or no format goes by the suffix.
        SerpentError: Even the smallest tile exceeds the memory.
    """
    options = options or StreamOptions()
    if source.is_file():
        check_decoding(source, read_layout(source), restorer)
    with open_bands(source, max_pixels=options.max_pixels) as reader:
        head = reader.head
        options.on_size(head.height, head.width)
        plan, part, place = plan_by_bands(reader.layout, target, options.region, restorer)

        def run(plan: Plan) -> StreamedResult:
            with reused_memory(hand_back=True):
                return _restore(reader, target, part, place, plan, restorer, options)

        return in_smaller_tiles(run, plan, lambda plan: restorer.smaller_plan(plan, Streams()))


def plan_by_bands(
    layout: Layout, target: Path, region: Region | None, restorer: Restorer
) -> tuple[Plan, Region, Region]:
    """Tiles for a picture or its region; the target's format counts with what it holds whole.

    Args:
        layout: Of the whole picture.
        target: Where the result is to be written.
        region: The only part to restore.
        restorer: Restores it.

    Returns:
        The tiles, and as of `region_part` what they cover and the result's place in it.

    Raises:
        UsageError: The region does not lie inside the picture.
        PictureError: There is no memory for the result, whose format is encoded as a whole.
        SerpentError: Even the smallest tile exceeds the memory.
    """
    picture = layout.height, layout.width
    wanted = region or (0, 0, layout.width, layout.height)
    part, place = region_part(*picture, wanted, restorer.costs)
    _, _, width, height = part

    def plan(*, whole_output: bool) -> Plan:
        return restorer.plan(
            height, width, sample_bytes=layout.sample_bytes, channels=layout.channels,
            streams=Streams(layout.step, layout.whole, whole_output, picture),
        )  # fmt: skip

    banded = written_by_bands(target)
    try:
        return plan(whole_output=not banded), part, place
    except SerpentError as error:
        if banded:
            raise
        plan(whole_output=False)  # or the sentence is about the input
        raise PictureError(
            f"cannot write {target}: {error.message}, since its format is encoded as a whole",
            "Name the result .tif or .png: these are written in parts",
        ) from None


def _restore(
    reader: BandReader,
    target: Path,
    part: Region,
    place: Region,
    plan: Plan,
    restorer: Restorer,
    options: StreamOptions,
) -> StreamedResult:
    """Restore a part of a picture and write a place of the result."""
    s = restorer.scale
    left, top, width, height = (value * s for value in place)
    run = BandRun(restorer.forward, RegionReader(reader, part), plan, options.on_tile, place)
    head = resized(reader.head, height, width)

    said: tuple[str, ...] = ()

    def ready(stream: BinaryIO, notes: tuple[str, ...]) -> None:
        nonlocal said
        alike = run.change.warning(restorer.forward.strength) if s == 1 else None
        if alike:
            alike = judged(writer.collected or head, stream, alike, restorer.room)
        said = reader.warnings + ((alike,) if alike else ()) + notes
        if options.on_ready is not None:
            options.on_ready(stream, said)

    with BandWriter(
        target, head, force=options.force, quality=options.quality, on_ready=ready
    ) as writer:
        row = 0
        for band in run.bands():
            wanted = slice(max(0, top - row), max(0, top + height - row))
            row += len(band)
            if len(rows := band[wanted, left : left + width]):
                writer.write(rows)
            # Pieces under way to the file lie scattered between the network's large maps, which
            # then find no room twice in the same place: a heap that grows with the picture.
            trim()
    difference = run.change.difference() if s == 1 else None
    return StreamedResult(width, height, plan.tiles, plan.peak_bytes, said, difference)


def decoding_bytes(layout: Layout, restorer: Restorer) -> int:
    """Peak of the process's resident memory while a picture is decoded whole."""
    pixel_bytes = layout.sample_bytes * layout.channels
    return restorer.costs.base_bytes + int(DECODING * layout.height * layout.width * pixel_bytes)


def check_decoding(source: Path, layout: Layout, restorer: Restorer) -> None:
    """Refuse a picture that has to be decoded whole, even by bands, and is too large for that.

    Raises:
        PictureError: It is.
    """
    needed = decoding_bytes(layout, restorer)
    if layout.whole and restorer.budget is not None and needed > restorer.budget:
        least = gibibytes(needed)
        raise PictureError(
            f"cannot read {source}: it cannot be decoded in parts, and whole it takes {least} of"
            " memory",
            f"Give --max-memory {least}, or convert it to an upright TIFF first",
        )
