"""Restoring files: meanwhile the next one is read and the last one written; nothing is printed.

Three stages, one file in each: a thread reads, the caller's thread restores, a thread writes. What
that holds beside the picture being restored must fit the memory budget with it. Where it does not,
files go through one after the other: how a picture is restored never depends on its neighbours.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from serpent_cli.batch.naming import Job
from serpent_cli.batch.stages import File, FileResult, RunOptions
from serpent_cli.restoration.restorer import Restorer


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
    files = _files(jobs, restorer, options)
    written: deque[_Writing] = deque()  # at most one
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        file, ahead = next(files), None
        while file is not None:
            if ahead is not None:
                ahead.result()
            if file.unread:  # there was no room to read it ahead
                yield from _finish(written)
                file.read()
            room = file.room_beside()
            if _held(written) > room or file.takes_long():
                yield from _finish(written)
            following = next(files)
            room -= _held(written)
            ahead = reader.submit(following.read, room) if following else None
            file.restore()
            finished = list(_finish(written))
            written.append(_Writing(writer.submit(file.write), file.coding_bytes))
            yield from finished
            file = following
        yield from _finish(written)
    next(files, None)  # raises what the jobs ended with


def _files(jobs: Iterable[Job], restorer: Restorer, options: RunOptions) -> Iterator["File | None"]:
    """The files, then None; only after that an error of `jobs`, which the results precede."""
    try:
        for job in jobs:
            yield File(job, restorer, options)
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
