"""The same command again: results of the first time that now lie among the inputs.

`serpent deblur *.png` means more files the second time, and so does a folder that results go back
into. What is noted as a result is then no input: neither where the picture that it was made of is
given too, nor where that is gone and the same model would only work on its own result.
"""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from serpent_cli.batch.manifest import NAME, Manifest
from serpent_cli.batch.naming import Job, Naming, assign_targets
from serpent_cli.batch.notes import Around
from serpent_cli.batch.places import Place, exists, identity
from serpent_cli.batch.sources import Source, Sources
from serpent_cli.errors import SerpentError


def without_results(
    sources: Sources,
    output: Place | None,
    naming: Naming,
    manifest: Path | None,
    model: Callable[[], str] | None = None,
) -> tuple[Sources, tuple[Source, ...]]:
    """Leave out pictures that are our results.

    Args:
        sources: What was named or found.
        output: As for `name_targets`.
        naming: How the results are called.
        manifest: Where this run will note its results; None: nowhere.
        model: Tells the name of the model; None: only results of other pictures among the sources
            are left out.

    Returns:
        The rest, and those that were left out.

    Raises:
        UsageError: As of `assign_targets`.
    """
    jobs = assign_targets(sources, output, naming)
    with ExitStack() as stack:
        own = None
        with suppress(SerpentError):  # whoever writes to it will say what is wrong with it
            if manifest is not None and exists(manifest):
                own = stack.enter_context(Manifest(manifest, {}, read_only=True))
        earlier = _Earlier(own, Around({}, manifest), jobs, model)
        pairs = zip(sources.pictures, jobs, strict=True)
        out = tuple(each for each, job in pairs if earlier.made(job))
    gone = set(out)
    left = [each for each in sources.pictures if each not in gone]
    return replace(sources, pictures=left), out


class _Earlier:
    """What earlier runs have made, as far as this one might take it for an input."""

    def __init__(
        self,
        own: Manifest | None,
        around: Around,
        jobs: list[Job],
        model: Callable[[], str] | None,
    ) -> None:
        self._own, self._around, self._jobs, self._model = own, around, jobs, model
        self._known: dict[Path, list[Manifest]] = {}

    def made(self, job: Job) -> bool:
        """Whether the source of a job is a result, and no input of this run."""
        path = job.source
        if not isinstance(path, Path) or not (known := self._near(path.parent)):
            return False
        if self._sources.get(identity(path), path) != path:
            return any(each.made(Job(path, path)) for each in known)
        if self._model is None or not isinstance(job.target, Path):
            return False
        if identity(job.target.parent) != identity(path.parent):
            return False  # it goes elsewhere: that was asked for
        found = (each.model_of(path) for each in known)
        return any(each == self._model() for each in found if each is not None)

    @cached_property
    def _sources(self) -> dict[Path, Place]:
        """Sources by the targets of their jobs."""
        jobs = self._jobs
        return {identity(job.target): job.source for job in jobs if isinstance(job.target, Path)}

    def _near(self, folder: Path) -> list[Manifest]:
        if folder not in self._known:
            around = self._around.near(folder / NAME, above=False)
            self._known[folder] = [*([self._own] if self._own else []), *around]
        return self._known[folder]
