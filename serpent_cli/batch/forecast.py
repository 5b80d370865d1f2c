"""What a run would do to each picture, from its header alone."""

from dataclasses import dataclass
from pathlib import Path

from serpent_cli.batch.naming import Job
from serpent_cli.batch.opened import plan_whole
from serpent_cli.batch.resizing import resampled_size
from serpent_cli.batch.stages import RunOptions, goes_by_bands
from serpent_cli.batch.standing import settlement
from serpent_cli.errors import SerpentError
from serpent_cli.imaging.bands import Layout
from serpent_cli.imaging.read import check_size, read_layout
from serpent_cli.restoration.plan import Plan
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.restoration.streamed import check_decoding, plan_by_bands


@dataclass(frozen=True)
class Forecast:
    """What would become of one picture.

    Attributes:
        job: Its source and target.
        action: `restore`, `skip` what an earlier run has done, or `fail`.
        error: Why it would fail.
        width: Output pixels per row; 0 if it is not known beforehand, as for standard input.
        height: Output rows.
        tiles: Tiles it would be restored in.
        memory: Bytes that the process would reach.
        seconds: Of restoring.
    """

    job: Job
    action: str
    error: SerpentError | None = None
    width: int = 0
    height: int = 0
    tiles: int = 0
    memory: int = 0
    seconds: float = 0.0


def forecast(
    job: Job, restorer: Restorer, options: RunOptions, seconds_per_megapixel: float
) -> Forecast:
    """Look at one picture's header and at what lies at its target.

    Args:
        job: The picture.
        restorer: What would restore it.
        options: Of the run; its manifest may be one that is only read.
        seconds_per_megapixel: As `Restorer.seconds_per_megapixel` measured it.
    """
    try:
        if (known := settlement(job, options.manifest, force=options.force)) is not None:
            return Forecast(job, "fail" if known.error else "skip", known.error)
        if not isinstance(job.source, Path) or not job.source.is_file():
            return Forecast(job, "restore")
        return _restoring(job, restorer, options, seconds_per_megapixel)
    except SerpentError as error:
        return Forecast(job, "fail", error)


def _restoring(
    job: Job, restorer: Restorer, options: RunOptions, seconds_per_megapixel: float
) -> Forecast:
    assert isinstance(job.source, Path)
    layout = read_layout(job.source)
    height, width = layout.height, layout.width
    check_size(height, width, str(job.source), options.max_pixels)
    plan = _plan(job, layout, restorer, options)
    if options.region is not None:
        width, height = options.region[2:]
    wanted, memory = (height * restorer.scale, width * restorer.scale), plan.peak_bytes
    if options.size is not None:
        pixel_bytes = layout.channels * layout.sample_bytes
        wanted, least = resampled_size(options.size, height, width, restorer, pixel_bytes)
        memory = max(memory, least)
    seconds = seconds_per_megapixel * plan.pixels / 2**20
    return Forecast(job, "restore", None, wanted[1], wanted[0], plan.tiles, memory, seconds)


def _plan(job: Job, layout: Layout, restorer: Restorer, options: RunOptions) -> Plan:
    """As the run will plan it, and refused as there."""
    if not goes_by_bands(job, layout, restorer, options):
        return plan_whole(layout, restorer, options.region, options.size)
    assert isinstance(job.source, Path)
    assert isinstance(job.target, Path)
    check_decoding(job.source, layout, restorer)
    return plan_by_bands(layout, job.target, options.region, restorer)[0]
