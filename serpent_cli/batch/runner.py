"""Restoring files: meanwhile the next one is read and the last one written; nothing is printed.

Three stages, one file in each, or several small ones: a thread reads, the caller's thread restores,
others write. What that holds beside the picture being restored must fit the memory budget with
it. Where it does not, files go through one after the other: how a picture is restored never depends
on its neighbours.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from serpent_cli.batch.mini_batches import Supply, restore_files, room_beside
from serpent_cli.batch.naming import Job
from serpent_cli.batch.result import FileResult
from serpent_cli.batch.stages import RunOptions
from serpent_cli.restoration.restorer import Restorer

WRITERS = 4
"""Small pictures are written at once: each waits for the disk three times, until it is surely there
(the file, the line in the manifest, the name in its folder)."""


def run(jobs: Iterable[Job], restorer: Restorer, options: RunOptions) -> Iterator[FileResult]:
    """Restore each picture; a failure is a result, and the next picture follows.

    Pictures are restored and callbacks called in the caller's thread. The one job taken beyond the
    picture being restored is asked for before that begins; only if it is small, more are taken.
    Closing the iterator early, or an interruption, finishes what is being written and drops the
    rest.

    Args:
        jobs: What to do; no target may be another job's source or target (see `name_targets`).
        restorer: Restores them.
        options: What holds for all of them.

    Yields:
        One result per job, in order; only the last one may wait for the picture being restored.
    """
    supply = Supply(jobs, restorer, options)
    written: deque[_Writing] = deque()  # what was restored last
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(WRITERS) as writer:
        files = supply.take(math.inf)
        while files:
            if files[0].unread:  # there was no room to read it ahead
                yield from _finish(written)
                files[0].read()
            room = room_beside(files)
            if _held(written) > room or any(file.takes_long() for file in files):
                yield from _finish(written)
            supply.look_ahead()
            ahead = reader.submit(supply.take, room - _held(written))
            restore_files(files, restorer)
            finished = list(_finish(written))
            written += (_Writing(writer.submit(file.write), file.coding_bytes) for file in files)
            yield from finished
            files = ahead.result()
        yield from _finish(written)
    supply.end()


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
