"""The same command again: results of the first time that now lie among the inputs.

`serpent deblur *.png` means more files the second time, and so does a folder that results go back
into. What is noted as a result is then no input: neither where the picture that it was made of is
given too, nor where that is gone and the same model would only work on its own result.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from serpent_cli.batch.manifest import NAME, ManifestSettings
from serpent_cli.batch.naming import Job
from serpent_cli.batch.notes import Notes
from serpent_cli.batch.places import Place, identity


def without_results(
    jobs: Sequence[Job], noting: ManifestSettings, model: Callable[[], str] | None = None
) -> list[Job]:
    """Leave out pictures that are our results.

    Args:
        jobs: What was named or found, with its targets.
        noting: Where this run will note its results.
        model: Tells the name of the model; None: only results of other pictures among the sources
            are left out.
    """
    there = noting.path is not None and os.path.isfile(noting.path)
    # Shared: only looked at, and whoever writes to it will say what is wrong with it.
    noted = replace(noting, path=noting.path if there else None, shared=True)

    @cache
    def sources() -> dict[Path, Place]:
        """By the targets of their jobs."""
        return {identity(job.target): job.source for job in jobs if isinstance(job.target, Path)}

    def is_result(job: Job) -> bool:
        path = job.source
        if not isinstance(path, Path) or not (known := [*notes.near(path.with_name(NAME))]):
            return False
        if sources().get(identity(path), path) != path:
            return any(each.made(Job(path, path)) for each in known)
        if model is None or not isinstance(job.target, Path):
            return False
        if identity(job.target.parent) != identity(path.parent):
            return False  # it goes elsewhere: that was asked for
        found = (each.model_of(path) for each in known)
        return any(each == model() for each in found if each is not None)

    with Notes(noted, read_only=True) as notes:
        return [job for job in jobs if not is_result(job)]
