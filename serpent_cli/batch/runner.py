"""Restoring files one after the other; one result each, nothing printed."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from serpent_cli.batch.naming import Job
from serpent_cli.errors import PictureError, SerpentError
from serpent_cli.imaging.read import DEFAULT_MAX_PIXELS, read_picture
from serpent_cli.imaging.write import write_picture
from serpent_cli.restore.restorer import Region, Restorer


@dataclass(frozen=True)
class FileResult:
    """What became of one picture.

    Attributes:
        job: Its source and target.
        error: Why there is no result; None if it was written.
        warnings: What could not be kept.
        width: Output pixels per row, 0 after an error.
        height: Output rows, 0 after an error.
        tiles: Tiles it was restored in.
        seconds: Seconds from opening to the finished file.
    """

    job: Job
    error: SerpentError | None = None
    warnings: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    tiles: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class RunOptions:
    """What holds for every file of a run.

    Attributes:
        max_pixels: Larger pictures are refused.
        region: (x, y, w, h), the only part to restore.
        force: Overwrite existing targets.
        on_size: Called with (job, input height, input width) before a picture is restored.
        on_tile: Called with (tiles done, tiles in all) of the present picture.
    """

    max_pixels: int = DEFAULT_MAX_PIXELS
    region: Region | None = None
    force: bool = False
    on_size: Callable[[Job, int, int], None] = field(default=lambda job, height, width: None)
    on_tile: Callable[[int, int], None] = field(default=lambda done, total: None)


def run(jobs: Iterable[Job], restorer: Restorer, options: RunOptions) -> Iterator[FileResult]:
    """Restore each picture; a failure is a result, and the next picture follows."""
    for job in jobs:
        begun = time.perf_counter()
        try:
            yield _restore_file(job, restorer, options, begun)
        except SerpentError as error:
            yield FileResult(job, error=error, seconds=time.perf_counter() - begun)
        except Exception as error:  # noqa: BLE001 (one broken file must not end the batch)
            wrapped = SerpentError(
                f"{job.source}: unexpected {type(error).__name__}: {error}",
                hint="set SERPENT_DEBUG=1 for the traceback, and please report it",
            )
            wrapped.__cause__ = error
            yield FileResult(job, error=wrapped, seconds=time.perf_counter() - begun)


def _restore_file(job: Job, restorer: Restorer, options: RunOptions, begun: float) -> FileResult:
    _prepare_target(job, force=options.force)
    picture = read_picture(job.source, max_pixels=options.max_pixels)
    options.on_size(job, picture.height, picture.width)
    tiles = 0

    def on_tile(done: int, total: int) -> None:
        nonlocal tiles
        tiles = total
        options.on_tile(done, total)

    restored = restorer.restore(picture, region=options.region, on_tile=on_tile)
    warnings = (*picture.warnings, *write_picture(restored, job.target, force=options.force))
    return FileResult(
        job,
        warnings=warnings,
        width=restored.width,
        height=restored.height,
        tiles=tiles,
        seconds=time.perf_counter() - begun,
    )


def _prepare_target(job: Job, *, force: bool) -> None:
    """Refuse an existing target before any work, and make its folder."""
    if job.target.exists() and not force:
        raise PictureError(f"{job.target} exists", hint="give --force to replace it")
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(
            f"cannot make the folder {job.target.parent}: {error.strerror}"
        ) from error
