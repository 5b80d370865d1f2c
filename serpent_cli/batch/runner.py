"""Restoring files: meanwhile the next one is read and the last one written; nothing is printed.

Three stages, one file in each: a thread reads, the caller's thread restores, a thread writes. What
that holds beside the picture being restored must fit the memory budget with it. Where it does not,
files go through one after the other: how a picture is restored never depends on its neighbours.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from serpent_cli.batch.naming import Job
from serpent_cli.errors import PictureError, SerpentError
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import DEFAULT_MAX_PIXELS, read_picture, read_size
from serpent_cli.imaging.write import write_picture
from serpent_cli.restore.memory import default_budget
from serpent_cli.restore.restorer import Region, Restorer

DECODING_BYTES = 40
"""Most bytes per pixel while a file is decoded; a header read by `read_size` tells no depth.
Measured: 37 for a float TIFF with alpha, 8 for a JPEG.
"""

CODING_COPIES = 3
"""A result while it is encoded: itself, and a codec's copies as `restore.plan` counts them."""

THREAD_BYTES = 64 * 2**20
"""What the allocators of the reading and the writing thread keep for themselves; measured: up to 50
million, more or less by chance.
"""

LONG_PIXELS = 2**22
"""A CPU works on more pixels than this for many seconds: the result of the file before is finished
and handed over first, lest it wait that long."""


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
        seconds: Seconds of reading, restoring and writing it, without waiting between them. Files
            overlap: their sum is more than a run's duration.
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
    """Restore each picture; a failure is a result, and the next picture follows.

    Jobs are taken, pictures restored and callbacks called in the caller's thread. The one job taken
    beyond the picture being restored is asked for before that begins. Closing the iterator early,
    or an interruption, finishes the file being written and drops the rest.

    Args:
        jobs: What to do; no target may be another job's source or target (see `name_targets`).
        restorer: Restores them.
        options: What holds for all of them.

    Yields:
        One result per job, in order; only the last one may wait for the picture being restored.
    """
    files = _files(jobs, options)
    written: deque[_Writing] = deque()  # at most one
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        file, ahead = next(files), None
        while file is not None:
            if ahead is not None:
                ahead.result()
            if file.unread:  # there was no room to read it ahead
                yield from _finish(written)
                file.read()
            room = file.room_beside(restorer)
            if _held(written) > room or file.takes_long(restorer):
                yield from _finish(written)
            following = next(files)
            room -= _held(written)
            ahead = reader.submit(following.read, room) if following else None
            file.restore(restorer)
            finished = list(_finish(written))
            written.append(_Writing(writer.submit(file.write), file.coding_bytes))
            yield from finished
            file = following
        yield from _finish(written)
    next(files, None)  # raises what the jobs ended with


def _files(jobs: Iterable[Job], options: RunOptions) -> Iterator["_File | None"]:
    """The files, then None; only after that an error of `jobs`, which the results precede."""
    try:
        for job in jobs:
            yield _File(job, options)
    except Exception:
        yield None
        raise
    yield None


class _Writing(NamedTuple):
    """A result on its way to the disk, and the bytes that it holds."""

    result: Future[FileResult]
    bytes: int


def _held(written: deque[_Writing]) -> int:
    return sum(each.bytes for each in written)


def _finish(written: deque[_Writing]) -> Iterator[FileResult]:
    """Wait for what is being written and give its result."""
    while written:
        yield written.popleft().result.result()


class _File:
    """One picture on its way through the stages; an error ends it and becomes its result."""

    def __init__(self, job: Job, options: RunOptions) -> None:
        self.job, self.options = job, options
        self.picture: Picture | None = None
        self.restored: Picture | None = None
        self.error: SerpentError | None = None
        self.warnings: tuple[str, ...] = ()
        self.tiles, self.seconds, self.coding_bytes = 0, 0.0, 0

    @property
    def unread(self) -> bool:
        """Whether there is neither a picture nor a reason why not."""
        return self.picture is None and self.error is None

    def read(self, room: float = math.inf) -> None:
        """Decode the picture, or leave it alone if that takes more bytes than there is room."""
        with self._stage():
            _prepare_target(self.job, force=self.options.force)
            if room == math.inf or _decoding_bytes(self.job.source) <= room:
                self.picture = read_picture(self.job.source, max_pixels=self.options.max_pixels)

    def room_beside(self, restorer: Restorer) -> int:
        """Bytes of the budget that restoring the picture leaves; 0 if nothing is known of it."""
        if self.picture is None:
            return 0
        height, width, _ = self.picture.pixels.shape
        try:
            plan = restorer.plan(
                height, width, sample_bytes=self.picture.pixels.itemsize,
                channels=3 if self.picture.alpha is None else 4,
            )  # fmt: skip
        except SerpentError:  # restoring will say so, or needs but a region of it
            return 0
        budget = default_budget() if restorer.budget is None else restorer.budget
        return max(0, budget - plan.peak_bytes - THREAD_BYTES)

    def takes_long(self, restorer: Restorer) -> bool:
        """Whether the result of the file before should not wait for this one."""
        pixels = 0 if self.picture is None else self.picture.height * self.picture.width
        return restorer.device.type == "cpu" and pixels > LONG_PIXELS

    def restore(self, restorer: Restorer) -> None:
        """Restore the picture if it could be read."""
        picture, self.picture = self.picture, None
        if picture is None:
            return
        with self._stage():
            self.options.on_size(self.job, picture.height, picture.width)
            restored = restorer.restore(
                picture, region=self.options.region, on_tile=self._count_tiles
            )
            self.restored, self.warnings = restored, restored.warnings
            alpha_bytes = 0 if restored.alpha is None else restored.alpha.nbytes
            self.coding_bytes = CODING_COPIES * (restored.pixels.nbytes + alpha_bytes)

    def write(self) -> FileResult:
        """Write the restored picture, if there is one, and say what became of it."""
        restored, self.restored = self.restored, None
        height, width = (0, 0) if restored is None else restored.pixels.shape[:2]
        if restored is not None:
            with self._stage():
                self.warnings += write_picture(restored, self.job.target, force=self.options.force)
        # Taken out: the error's traceback knows this object and its pictures.
        error, self.error = self.error, None
        if error is not None:
            return FileResult(self.job, error=error, seconds=self.seconds)
        return FileResult(self.job, None, self.warnings, width, height, self.tiles, self.seconds)

    def _count_tiles(self, done: int, total: int) -> None:
        self.tiles = total
        self.options.on_tile(done, total)

    @contextmanager
    def _stage(self) -> Generator[None]:
        """Count the seconds of a stage, and keep what ends it."""
        begun = time.perf_counter()
        try:
            yield
        except SerpentError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 (one broken file must not end the batch)
            self.error = SerpentError(
                f"{self.job.source}: unexpected {type(error).__name__}: {error}",
                hint="set SERPENT_DEBUG=1 for the traceback, and please report it",
            )
            self.error.__cause__ = error
        finally:
            self.seconds += time.perf_counter() - begun


def _decoding_bytes(source: Path) -> float:
    """Most bytes that decoding takes, by the header; no end to it if looking would use it up."""
    if not source.is_file():  # a named pipe gives its bytes once
        return math.inf
    height, width = read_size(source)
    return height * width * DECODING_BYTES


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
