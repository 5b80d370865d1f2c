"""Many machines: the runner in actors of a Ray cluster, fed by Ray Data.

Ray finds the machines, places the workers, restarts the dead and gives their pictures to others.
All machines must reach sources and targets by the same names: a shared folder or object storage.
"""

import math
import os
import pickle
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from serpent_cli.batch.manifest import NAME, ManifestSettings
from serpent_cli.batch.naming import Job, local_targets
from serpent_cli.batch.places import Place, Standard
from serpent_cli.batch.ray_actors import ManifestActor, Worker, WorkerSettings, answer
from serpent_cli.batch.ray_cluster import connected
from serpent_cli.batch.result import FileResult
from serpent_cli.errors import DeviceError, UsageError
from serpent_cli.restoration.plan import share_memory
from serpent_cli.whole_files import sweep

LARGEST_BATCH = 16
"""Pictures that a worker is handed at once: it reads and writes beside its work within them, and
they are what another has to look through again if it dies."""

BATCHES_EACH = 4
"""Batches per worker at least, so that all end at about the same time."""


def run_on_ray(
    jobs: Sequence[Job], settings: WorkerSettings, manifest: ManifestSettings, *, jobs_each: int = 1
) -> Iterator[FileResult]:
    """Restore each picture with whichever machine is free; see `runner.run`.

    Uses the cluster that this process is connected to or that RAY_ADDRESS names, or else starts
    one of this machine alone, for as long as it runs.

    Args:
        jobs: What to do; no standard streams.
        settings: What the workers load.
        manifest: Where to note what is done.
        jobs_each: Workers on each GPU, or where there is none on each machine.

    Yields:
        One result per job, as they come.

    Raises:
        UsageError: A job names a standard stream, or another run has the manifest.
        DeviceError: Ray is not installed, or its cluster has no such device or broke down.
    """
    if any(isinstance(place, Standard) for job in jobs for place in (job.source, job.target)):
        raise UsageError("--engine ray takes no standard streams", hint="give names and -o FOLDER")
    device = settings.restorer.device
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(
            f"--engine ray chooses the devices itself, not {device}",
            hint="--device auto, cpu or cuda",
        )
    with tempfile.TemporaryDirectory() as forgotten:
        path = (manifest.path or Path(forgotten) / NAME).absolute()
        try:
            with connected(), _kept(path, manifest, jobs) as (keeper, plan):
                sweep(local_targets(jobs))
                memory = share_memory(plan.get("memory"), jobs_each)
                settings = replace(settings, restorer=replace(settings.restorer, max_memory=memory))
                yield from _stream(jobs, settings, keeper, _crew(device, jobs_each))
        finally:
            _sweep_alone(jobs, path)


@dataclass(frozen=True)
class _Crew:
    """How many workers, and what each takes of a machine."""

    count: int
    cpus: float | None = None
    gpus: float | None = None


def _stream(
    jobs: Sequence[Job], settings: WorkerSettings, keeper: Any, crew: _Crew
) -> Iterator[FileResult]:
    """Results of the jobs from a crew of workers."""
    import ray
    from ray.exceptions import RayError

    size = max(1, min(LARGEST_BATCH, len(jobs) // (BATCHES_EACH * crew.count)))
    rows = [{"index": index, "job": pickle.dumps(_absolute(job))} for index, job in enumerate(jobs)]
    results = ray.data.from_items(
        rows, override_num_blocks=math.ceil(len(rows) / size)
    ).map_batches(
        Worker, fn_constructor_args=(settings, keeper), batch_size=None, batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=crew.count),
        num_cpus=crew.cpus, num_gpus=crew.gpus,
    )  # fmt: skip
    try:
        for row in results.iter_rows():
            result: FileResult = pickle.loads(row["result"])
            yield replace(result, job=jobs[row["index"]])
    except RayError as error:
        reason = str(error).strip().split("\n")[-1]
        raise DeviceError(
            f"the Ray cluster broke down: {reason}", hint="run the same command again to resume"
        ) from error


def _crew(device: str, jobs_each: int) -> _Crew:
    """The workers that the cluster has room for."""
    import ray

    # A head node is often told to have no CPU, so that nothing is placed there.
    found: list[dict[str, float]] = [
        node["Resources"]
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
    ]
    if not found:
        raise DeviceError("no machine of the Ray cluster has a CPU to give", hint="add one to it")
    gpus = sum(int(node.get("GPU", 0)) for node in found)
    if device == "cuda" and not gpus:
        raise DeviceError("no machine of the Ray cluster has a GPU", hint="--device auto or cpu")
    if device != "cpu" and gpus:
        return _Crew(jobs_each * gpus, gpus=1 / jobs_each)
    cpus = max(1, int(min(node["CPU"] for node in found)) // jobs_each)
    return _Crew(sum(int(node["CPU"]) // cpus for node in found), cpus=cpus)


@contextmanager
def _kept(
    path: Path, manifest: ManifestSettings, jobs: Sequence[Job]
) -> Generator[tuple[Any, dict[str, Any]]]:
    """The keeper of the manifest, an actor on this machine, and the plan to follow."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(ManifestActor).options(num_cpus=0, scheduling_strategy=here)
    named = {_absolute(job).source: job.source for job in jobs}
    kept = replace(manifest, path=path, options=dict(manifest.options), plan=dict(manifest.plan))
    keeper = actor.remote(kept, named)
    plan = answer(keeper.open.remote())
    try:
        yield keeper, plan
    finally:
        answer(keeper.close.remote())


def _sweep_alone(jobs: Sequence[Job], path: Path) -> None:
    """Remove what workers that died were at, unless another run has the manifest by now.

    Where nothing was noted, there is no lock, and none is made.
    """
    lock = f"{path}.lock"
    alone = FileLock(lock, timeout=0) if os.path.exists(lock) else nullcontext()
    with suppress(Timeout, OSError), alone:
        sweep(local_targets(jobs))


def _absolute(job: Job) -> Job:
    """The job as a worker with another working folder must hear it."""

    def absolute(place: Place) -> Place:
        return place.absolute() if isinstance(place, Path) else place

    return Job(absolute(job.source), absolute(job.target))
