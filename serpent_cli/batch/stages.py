"""One picture on its way: read, restored, written; an error ends it and becomes its result."""

import math
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from serpent_cli.batch.delivery import prepare, write_to
from serpent_cli.batch.manifest import ManifestLike
from serpent_cli.batch.naming import Job
from serpent_cli.batch.opened import Opened, local_file, plan_whole
from serpent_cli.batch.places import stream_digest
from serpent_cli.batch.records import Record
from serpent_cli.batch.resizing import CODING_COPIES, resampled_size
from serpent_cli.batch.result import FileResult
from serpent_cli.batch.standing import skipped, standing
from serpent_cli.errors import SerpentError
from serpent_cli.imaging.bands import Layout
from serpent_cli.imaging.formats import Format
from serpent_cli.imaging.geometry import Geometry
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import DEFAULT_MAX_PIXELS, read_picture
from serpent_cli.imaging.resample import resample
from serpent_cli.restoration.difference import Difference, RestoredPicture
from serpent_cli.restoration.memory_budget import budget_or_default
from serpent_cli.restoration.plan import Plan
from serpent_cli.restoration.restorer import Region, Restorer
from serpent_cli.restoration.streamed import StreamOptions, needs_streaming, restore_file
from serpent_cli.restoration.written import as_written

THREAD_BYTES = 64 * 2**20
"""What the allocators of the reading and the writing thread keep for themselves; measured: up to 50
million, more or less by chance.
"""

LONG_PIXELS = 2**22
"""A CPU works on more pixels than this for many seconds: the result of the file before is finished
and handed over first, lest it wait that long."""


@dataclass(frozen=True)
class RunOptions:
    """What holds for every file of a run.

    Attributes:
        max_pixels: Larger pictures are refused.
        region: (x, y, w, h), the only part to restore.
        force: Overwrite existing targets.
        quality: Of JPEG, WebP and AVIF, 1 to 100; None for the input's, or a high one.
        chosen: Format for standard output; None for the input's.
        size: What results are resampled to; None: they stay as the network gives them.
        manifest: Knows what earlier runs have done, and is told what this one does.
        on_size: Called with (job, input height, input width) before a picture is restored.
        on_tile: Called with (tiles done, tiles in all) of the present picture.
    """

    max_pixels: int = DEFAULT_MAX_PIXELS
    region: Region | None = None
    force: bool = False
    quality: int | None = None
    chosen: Format | None = None
    size: Geometry | None = None
    manifest: ManifestLike | None = None
    on_size: Callable[[Job, int, int], None] = field(default=lambda job, height, width: None)
    on_tile: Callable[[int, int], None] = field(default=lambda done, total: None)


def goes_by_bands(job: Job, layout: Layout, restorer: Restorer, options: RunOptions) -> bool:
    """Whether a picture only fits the memory by bands, and can be restored so.

    Args:
        job: Its source, a file, and its target.
        layout: What its header says.
        restorer: What is to restore it.
        options: What holds for the run.
    """
    if not isinstance(job.target, Path) or options.size is not None:
        return False
    if layout.height * layout.width > options.max_pixels:
        return False
    return needs_streaming(restorer, layout)


class File:
    """A job and how far it has come; the three stages may run in three threads.

    Args:
        job: Its source and target.
        restorer: What restores it.
        options: What holds for all files of the run.
    """

    def __init__(self, job: Job, restorer: Restorer, options: RunOptions) -> None:
        self.job, self.restorer, self.options = job, restorer, options
        self.picture: Picture | None = None
        self.restored: Picture | None = None
        self.done: Record | None = None
        self.error: SerpentError | None = None
        self.warnings: tuple[str, ...] = ()
        self.force, self.mark, self.streamed = options.force, "", False
        self.height, self.width, self.tiles = 0, 0, 0
        self.seconds, self.coding_bytes = 0.0, 0
        self._wanted: tuple[int, int] | None = None
        self._begun = 0.0
        self._difference: Difference | None = None

    @property
    def unread(self) -> bool:
        """Whether there is neither a picture nor a reason why not."""
        known = self.picture or self.error or self.done or self.streamed
        return not known

    def read(self, room: float = math.inf) -> None:
        """Decode the picture, or leave it alone if that takes more bytes than there is room."""
        with self._stage(), local_file(self.job.source) as file:
            if not self.mark and self._is_done(file):
                return
            prepare(self.job.target, force=self.force)
            opened = Opened.of(self.job.source, file, self.restorer, ahead=room != math.inf)
            if opened is None:
                return
            self.streamed = not opened.held and goes_by_bands(
                self.job, opened.layout, self.restorer, self.options
            )
            if not self.streamed and opened.decoding <= room:
                options = self.options
                if opened.pixels <= options.max_pixels:  # or reading will say so
                    plan_whole(
                        opened.layout, self.restorer, options.region, options.size, opened.held
                    )
                self.picture = read_picture(opened.content, max_pixels=options.max_pixels)

    def _is_done(self, file: BinaryIO | None) -> bool:
        """Ask the manifest; a result of ours that is out of date may be replaced."""
        options = self.options
        known = standing(self.job, options.manifest, force=options.force, content=file)
        self.mark, self.done, self.force = known.mark, known.done, known.force
        return self.done is not None

    def room_beside(self, count: int = 1) -> int:
        """Bytes of the budget that restoring so many such pictures at once leaves.

        0 if nothing is known of the picture.
        """
        plan = self._plan_of(count)
        if plan is None:
            return 0
        budget = budget_or_default(self.restorer.budget)
        return max(0, budget - plan.peak_bytes - THREAD_BYTES)

    def fits_in_batch(self) -> bool:
        """Whether it may be restored with others at once: a small picture, or nothing to do."""
        if self.picture is None:
            return self.error is not None or self.done is not None
        return self.options.region is None and self.restorer.fits_in_batch(self.picture)

    def fits_twice(self) -> bool:
        """Whether memory suffices for two such pictures at once, both whole."""
        plan = self._plan_of(2)
        if plan is None or self.picture is None:
            return False
        try:
            resampling = self._fit_size(self.picture)
        except SerpentError:
            return False
        # Of the two at once, the process itself is there but once.
        both = plan.peak_bytes + 2 * resampling
        return plan.tiles == 1 and both <= budget_or_default(self.restorer.budget)

    def _plan_of(self, count: int) -> Plan | None:
        """The plan of so many such pictures, one below the other; None if there is none."""
        if self.picture is None:
            return None
        try:
            return self.restorer.plan_of(self.picture, count)
        except SerpentError:  # restoring will say so, or needs but a region of it
            return None

    def takes_long(self) -> bool:
        """Whether the result of the file before should not wait for this one."""
        pixels = 0 if self.picture is None else self.picture.height * self.picture.width
        slow = self.restorer.device.type == "cpu"
        return self.streamed or (slow and pixels > LONG_PIXELS)

    def restore(self) -> None:
        """Restore the picture if it could be read; a very large one is written at once."""
        picture, self.picture = self.picture, None
        with self._stage():
            if self.streamed and self.error is None:
                self._restore_by_bands()
            elif picture is not None:
                self._fit_size(picture)
                self.options.on_size(self.job, picture.height, picture.width)
                self._keep(
                    self.restorer.restore(
                        picture, region=self.options.region, on_tile=self._count_tiles
                    )
                )

    def take(self, restored: RestoredPicture, seconds: float) -> None:
        """Go on with the picture that was restored together with others, each in this time."""
        assert self.picture is not None
        picture, self.picture = self.picture, None
        self.seconds += seconds
        with self._stage():
            self._fit_size(picture)
            self.options.on_size(self.job, picture.height, picture.width)
            self._count_tiles(1, 1)
            self._keep(restored)

    def _keep(self, restored: RestoredPicture) -> None:
        self._difference = restored.difference
        result = restored if self._wanted is None else resample(restored, *self._wanted)
        self.restored, self.warnings = result, result.warnings
        self.height, self.width = result.height, result.width
        self.coding_bytes = CODING_COPIES * result.nbytes

    def _restore_by_bands(self) -> None:
        assert isinstance(self.job.source, Path)
        assert isinstance(self.job.target, Path)
        options = StreamOptions(
            force=self.force, quality=self.options.quality, max_pixels=self.options.max_pixels,
            region=self.options.region, on_tile=self._count_tiles,
            on_size=self._begin_by_bands, on_ready=self._note,
        )  # fmt: skip
        result = restore_file(self.job.source, self.job.target, self.restorer, options)
        self.width, self.height, self.warnings = result.width, result.height, result.warnings
        self._difference = result.difference

    def _begin_by_bands(self, height: int, width: int) -> None:
        self.options.on_size(self.job, height, width)
        if self.options.region is not None:
            width, height = self.options.region[2:]
        self.height, self.width = height * self.restorer.scale, width * self.restorer.scale

    def _fit_size(self, picture: Picture) -> int:
        """Find the size to resample to, and that there is memory for it; bytes that it takes."""
        options = self.options
        if options.size is None:
            return 0
        height, width = picture.height, picture.width
        if options.region is not None:
            width, height = options.region[2:]
        pixel_bytes = picture.samples_per_pixel * picture.pixels.itemsize
        self._wanted, peak = resampled_size(options.size, height, width, self.restorer, pixel_bytes)
        return peak - self.restorer.costs.base_bytes

    def write(self) -> FileResult:
        """Write the restored picture, if there is one, and say what became of it."""
        restored, self.restored = self.restored, None
        if restored is not None:
            with self._stage():
                notes = write_to(
                    restored, self.job.target, force=self.force, quality=self.options.quality,
                    chosen=self.options.chosen, on_ready=partial(self._written, restored),
                )  # fmt: skip
                self.warnings += notes
        # Taken out: the error's traceback knows this object and its pictures.
        error, self.error = self.error, None
        if error is not None:
            return FileResult(self.job, error=error, seconds=self.seconds)
        if (done := self.done) is not None:
            return skipped(self.job, done, self.seconds)
        return FileResult(
            self.job, None, self.warnings, self.width, self.height, self.tiles, self.seconds,
            difference=self._difference,
        )  # fmt: skip

    def _written(self, restored: Picture, encoded: BinaryIO, notes: tuple[str, ...]) -> None:
        """Judge the result on what was written, and tell the manifest."""
        self.warnings = as_written(self.warnings, restored, encoded, self.restorer.room)
        self._note(encoded, notes)

    def _note(self, encoded: BinaryIO, notes: tuple[str, ...]) -> None:
        """Tell the manifest of a result before it is visible."""
        if self.options.manifest is not None:
            seconds = self.seconds + time.perf_counter() - self._begun
            self.options.manifest.add(
                self.job, self.mark, stream_digest(encoded), width=self.width, height=self.height,
                tiles=self.tiles, seconds=round(seconds, 3), warnings=self.warnings + notes,
            )  # fmt: skip

    def _count_tiles(self, done: int, total: int) -> None:
        self.tiles = total
        self.options.on_tile(done, total)

    @contextmanager
    def _stage(self) -> Generator[None]:
        """Count the seconds of a stage, and keep what ends it."""
        begun = self._begun = time.perf_counter()
        try:
            yield
        except SerpentError as error:
            self.error = error
        except BrokenPipeError:  # whoever read standard output has gone
            raise
        except Exception as error:  # noqa: BLE001 (one broken file must not end the batch)
            self.error = SerpentError(
                f"{self.job.source}: unexpected {type(error).__name__}: {error}",
                hint="set SERPENT_DEBUG=1 for the traceback, and please report it",
            )
            self.error.__cause__ = error
        finally:
            self.seconds += time.perf_counter() - begun
