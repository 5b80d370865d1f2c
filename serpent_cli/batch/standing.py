"""How a job stands before its picture is opened: done before, out of date, or its target taken.

Nothing here loads torch: a run that finds all its work done ends at once.
"""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from serpent_cli.batch.delivery import refuse_existing
from serpent_cli.batch.manifest import ManifestLike
from serpent_cli.batch.naming import Job
from serpent_cli.batch.places import change_mark, exists, stream_digest
from serpent_cli.batch.records import Record
from serpent_cli.batch.result import FileResult
from serpent_cli.errors import SerpentError


@dataclass(frozen=True)
class Standing:
    """What the manifest knows of a job.

    Attributes:
        mark: What changes with its input, as `places.change_mark` gives it; empty if nobody asks.
        done: Its finished result.
        force: Whether a file at its target may be replaced: the user says so, or it is a result of
            ours that is out of date.
    """

    mark: str = ""
    done: Record | None = None
    force: bool = False


def standing(
    job: Job, manifest: ManifestLike | None, *, force: bool, content: BinaryIO | None = None
) -> Standing:
    """Ask the manifest about a job.

    Args:
        job: Its source and target.
        manifest: Knows what earlier runs have done; None: nobody does.
        force: Whether existing files are to be replaced, and all work done again.
        content: The input, where it is an open file: its digest is then that of what is read.

    Raises:
        PictureError: The input cannot be read.
    """
    if manifest is None or not manifest.concerned(job):
        return Standing(force=force)
    mark = change_mark(job.source) if content is None else stream_digest(content)
    if force:
        return Standing(mark, force=True)
    done = manifest.find(job, mark)
    return Standing(mark, done, force=done is None and manifest.made(job))


def settled(
    jobs: deque[Job], manifest: ManifestLike | None, *, force: bool
) -> Iterator[FileResult]:
    """Take from the front of jobs what needs no work, up to the first that does.

    Args:
        jobs: Those that are left when the iterator ends are to be restored.
        manifest: As for `standing`.
        force: As for `standing`.

    Yields:
        One result for each job taken: it was done before, or its target is taken.
    """
    while jobs and (result := settlement(jobs[0], manifest, force=force)) is not None:
        jobs.popleft()
        yield result


def settlement(job: Job, manifest: ManifestLike | None, *, force: bool) -> FileResult | None:
    """The result of a job that needs no work, see `settled`; None if it needs some."""
    begun = time.perf_counter()
    try:
        if not exists(job.target):  # not done, whatever is noted of it: it is not even opened
            return None
        known = standing(job, manifest, force=force)
        if known.done is not None:
            return skipped(job, known.done, time.perf_counter() - begun)
        refuse_existing(job.target, force=known.force)
    except SerpentError as error:
        return FileResult(job, error=error, seconds=time.perf_counter() - begun)
    return None


def skipped(job: Job, done: Record, seconds: float) -> FileResult:
    """The result of a job that an earlier run has done."""
    return FileResult(
        job, None, done.warnings, done.width, done.height, done.tiles, seconds, skipped=True
    )
