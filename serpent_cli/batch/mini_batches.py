"""Small pictures gathered, so that the network restores those of one shape at once."""

import time
from collections.abc import Iterable, Sequence

from serpent_cli.batch.naming import Job
from serpent_cli.batch.stages import File, RunOptions
from serpent_cli.restoration.restorer import BATCH_SIZE, Restorer

GATHERED = 2 * BATCH_SIZE
"""Most files that are taken at once: upright and lying pictures may alternate."""


class Supply:
    """Turns jobs into files that are read: one, or several small pictures at once.

    Args:
        jobs: What to do.
        restorer: What restores them.
        options: What holds for all of them.
    """

    def __init__(self, jobs: Iterable[Job], restorer: Restorer, options: RunOptions) -> None:
        self._jobs, self._restorer, self._options = iter(jobs), restorer, options
        self._ahead: File | None = None
        self._error: Exception | None = None

    def look_ahead(self) -> File | None:
        """The file that is next, perhaps unread; None where the jobs end, or with an error."""
        if self._ahead is None and self._error is None:
            try:
                job = next(self._jobs, None)
            except Exception as error:  # noqa: BLE001 (raised when the results before it are out)
                self._error, job = error, None
            self._ahead = File(job, self._restorer, self._options) if job else None
        return self._ahead

    def take(self, room: float) -> list[File]:
        """Read the next file and, if it is small, small ones that follow it; none at the end.

        Args:
            room: Bytes that decoding one of them may take; what would take more stays unread.
        """
        taken: list[File] = []
        while len(taken) < GATHERED and (file := self.look_ahead()):
            if file.unread:
                file.read(room)
            small = file.fits_in_batch()
            if taken and not small:
                break
            taken.append(file)
            self._ahead = None
            if not small:
                break
        return taken

    def end(self) -> None:
        """Raise what the jobs ended with, if that was an error."""
        if self._error is not None:
            raise self._error


def room_beside(files: Sequence[File]) -> int:
    """Bytes of the budget that restoring files leaves; 0 if nothing is known of them."""
    count = min(len(files), BATCH_SIZE)
    return min((file.room_beside(count) for file in files if file.picture is not None), default=0)


def restore_files(files: Sequence[File], restorer: Restorer) -> None:
    """Restore what was taken, those of one shape at once."""
    shapes: dict[tuple[int, int], list[File]] = {}
    for file in files:
        if file.picture is None:  # it is streamed, or has failed, or is done
            file.restore()
        else:
            shapes.setdefault(restorer.grid_size(file.picture), []).append(file)
    for alike in shapes.values():
        for first in range(0, len(alike), BATCH_SIZE):
            _restore_batch(alike[first : first + BATCH_SIZE], restorer)


def _restore_batch(files: Sequence[File], restorer: Restorer) -> None:
    if len(files) == 1:
        files[0].restore()
        return
    begun = time.perf_counter()
    try:
        restored = restorer.restore_batch([file.picture for file in files if file.picture])
    except Exception:  # noqa: BLE001 (alone, only the one at fault fails, and says why)
        for file in files:
            file.restore()
        return
    seconds = (time.perf_counter() - begun) / len(files)
    for file, picture in zip(files, restored, strict=True):
        file.take(picture, seconds)
