"""What a run would do to each picture, from its header alone."""

from pathlib import Path

from serpent_cli.batch.naming import Job
from serpent_cli.batch.opened import plan_whole
from serpent_cli.batch.resizing import resampled_size
from serpent_cli.batch.result import FileResult
from serpent_cli.batch.stages import RunOptions, goes_by_bands
from serpent_cli.batch.standing import settlement
from serpent_cli.errors import SerpentError
from serpent_cli.imaging.bands import Layout
from serpent_cli.imaging.read import check_size, read_layout
from serpent_cli.restoration.plan import Plan
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.restoration.streamed import check_decoding, plan_by_bands


def forecast(
    job: Job, restorer: Restorer, options: RunOptions, seconds_per_megapixel: float
) -> FileResult:
    """Look at one picture's header and at what lies at its target.

    What is not known beforehand, as of standard input, is 0 in the result.

    Args:
        job: The picture.
        restorer: What would restore it.
        options: Of the run; its manifest may be one that is only read.
        seconds_per_megapixel: As `Restorer.seconds_per_megapixel` measured it.
    """
    try:
        if (known := settlement(job, options.manifest, force=options.force)) is not None:
            return FileResult(job, known.error, skipped=known.skipped)
        if not isinstance(job.source, Path) or not job.source.is_file():
            return FileResult(job)
        return _restoring(job, restorer, options, seconds_per_megapixel)
    except SerpentError as error:
        return FileResult(job, error)


def _restoring(
    job: Job, restorer: Restorer, options: RunOptions, seconds_per_megapixel: float
) -> FileResult:
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
    return FileResult(
        job, None, (), wanted[1], wanted[0], plan.tiles, seconds, memory=memory
    )  # fmt: skip


def _plan(job: Job, layout: Layout, restorer: Restorer, options: RunOptions) -> Plan:
    """As the run will plan it, and refused as there."""
    if not goes_by_bands(job, layout, restorer, options):
        return plan_whole(layout, restorer, options.region, options.size)
    assert isinstance(job.source, Path)
    assert isinstance(job.target, Path)
    check_decoding(job.source, layout, restorer)
    return plan_by_bands(layout, job.target, options.region, restorer)[0]
