"""What runs on the machines of a Ray cluster: workers that restore, and one keeper of the manifest.

A worker may die at any moment, and Ray gives its pictures to another. What it had finished is in
the manifest, which one process near the user keeps for all, so nothing is done twice or torn.
"""

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from serpent_cli.batch.manifest import ManifestSettings
from serpent_cli.batch.naming import Job
from serpent_cli.batch.notes import Notes
from serpent_cli.batch.places import Place
from serpent_cli.batch.records import Record
from serpent_cli.batch.result import FileResult
from serpent_cli.batch.runner import run
from serpent_cli.batch.stages import RunOptions
from serpent_cli.errors import SerpentError
from serpent_cli.ops.backend import use_backend
from serpent_cli.restoration.restorer import Restorer, RestorerSettings
from serpent_cli.settings import own_process

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class WorkerSettings:
    """What each worker needs to restore as the user demanded.

    Attributes:
        restorer: What each makes its restorer of.
        options: What holds for every picture; its manifest and callbacks stay behind.
        backend: The scan backend that is forced; None for the best.
    """

    restorer: RestorerSettings
    options: RunOptions = field(default_factory=RunOptions)
    backend: str | None = None


class ManifestActor:
    """Keeps the manifest of a run for all its workers; its calls are served one after the other.

    Args:
        settings: See `Notes`.
        named: Sources as the user named them, by the absolute paths that workers know.
    """

    def __init__(self, settings: ManifestSettings, named: Mapping[Place, Place]) -> None:
        self._settings, self._named = settings, named
        self._new: set[Job] = set()

    def open(self) -> dict[str, Any]:
        """Take the lock; returns the plan to follow. Not at birth, whose errors Ray wraps."""
        self._manifest = Notes(self._settings)
        return self._manifest.plan

    def close(self) -> None:
        """Let go of the lock."""
        self._manifest.close()

    def find(self, job: Job, input_digest: str) -> Record | None:
        """See `Notes.find`."""
        return self._manifest.find(job, input_digest)

    def made(self, job: Job) -> bool:
        """See `Notes.made`."""
        return self._manifest.made(job)

    def add(self, job: Job, input_digest: str, output_digest: str, facts: dict[str, Any]) -> None:
        """See `Notes.add`."""
        named = replace(job, source=self._named.get(job.source, job.source))
        self._manifest.add(named, input_digest, output_digest, **facts)
        self._new.add(job)

    def is_new(self, job: Job) -> bool:
        """Whether a result was noted in this run."""
        return job in self._new


class KeptManifest:
    """The manifest as a worker sees it: a `ManifestLike` that asks the actor.

    Args:
        keeper: The handle of the `ManifestActor`.
    """

    def __init__(self, keeper: Any) -> None:
        self._keeper = keeper

    def concerned(self, job: Job) -> bool:
        """Its keeper has a manifest of its own."""
        return True

    def find(self, job: Job, input_digest: str) -> Record | None:
        """See `Notes.find`."""
        return answer(self._keeper.find.remote(job, input_digest))

    def made(self, job: Job) -> bool:
        """See `Notes.made`."""
        return answer(self._keeper.made.remote(job))

    def add(self, job: Job, input_digest: str, output_digest: str, **facts: Any) -> None:
        """See `Notes.add`; returns once the line is on the disk."""
        answer(self._keeper.add.remote(job, input_digest, output_digest, facts))

    def is_new(self, job: Job) -> bool:
        """Whether a result was noted in this run."""
        return answer(self._keeper.is_new.remote(job))


class Worker:
    """Restores batches of jobs; one model, loaded with the first.

    Args:
        settings: What to load and how to run.
        keeper: The handle of the `ManifestActor`.
    """

    def __init__(self, settings: WorkerSettings, keeper: Any) -> None:
        own_process()
        self._settings, self._manifest = settings, KeptManifest(keeper)
        self._restorer: Restorer | None = None

    def __call__(self, batch: "dict[str, NDArray[Any]]") -> "Iterator[dict[str, NDArray[Any]]]":
        """Run jobs: pickled in `job`, their numbers in `index`; results come one by one."""
        import numpy as np

        jobs: list[Job] = [pickle.loads(each) for each in batch["job"]]
        numbers = dict(zip(jobs, batch["index"], strict=True))
        for result in self._results(jobs):
            yield {
                "index": np.array([numbers[result.job]]),
                "result": np.array([pickle.dumps(result)], dtype=object),
            }

    def _results(self, jobs: list[Job]) -> Iterator[FileResult]:
        options = replace(self._settings.options, manifest=self._manifest)
        try:
            if self._restorer is None:
                self._restorer = self._settings.restorer.load()
        except SerpentError as error:  # of the model or the device: every picture tells it
            yield from (FileResult(job, error=error) for job in jobs)
            return
        with use_backend(self._settings.backend):
            for result in run(jobs, self._restorer, options):
                # A worker that died had written it, and nobody has heard of it yet.
                again = result.skipped and self._manifest.is_new(result.job)
                yield replace(result, skipped=False) if again else result


def answer(reference: Any) -> Any:
    """What an actor's method returns.

    Raises:
        SerpentError: The method raised it.
    """
    import ray
    from ray.exceptions import RayTaskError

    try:
        return ray.get(reference)
    except RayTaskError as error:
        if isinstance(error.cause, SerpentError):
            raise error.cause from None
        raise
