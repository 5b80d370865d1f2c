"""What `deblur` and `upscale` share: pictures in, restored pictures out, results shown.

A group of pictures has one network. It is restored here, by a server or by a Ray cluster, or it is
only said what would be done; all from the same request, notes and weights.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from serpent_cli.cli import console
from serpent_cli.cli.gathering import gather
from serpent_cli.cli.outcome import Outcome, announcement
from serpent_cli.cli.progress_bar import Bar, progress_bar
from serpent_cli.cli.request import Request, server_address
from serpent_cli.errors import UsageError
from serpent_cli.settings import BACKEND, THREADS, TOKEN

if TYPE_CHECKING:
    from serpent_cli.batch.groups import Group
    from serpent_cli.batch.manifest import ManifestSettings
    from serpent_cli.batch.naming import Job
    from serpent_cli.batch.notes import Notes
    from serpent_cli.batch.result import FileResult
    from serpent_cli.batch.stages import RunOptions
    from serpent_cli.restoration.restorer import Restorer, RestorerSettings

ANNOUNCED_PIXELS = 100_000_000  # larger results are announced with their size and time


def restore_files(request: Request) -> None:
    """Restore all pictures of a request.

    Ends with exit code 1 if some of them failed; if all did for one kind of reason, such as a
    region that lies in none of them, with that reason's code.
    """
    # Whatever can be wrong with the request is found before torch loads.
    request.check()
    if request.model is not None:
        request.weights_for(1)  # what is named is one for all scales
    groups, lost = gather(request)
    for group in groups:
        _check_scale(group, request)
    outcome = Outcome(request, groups)
    if request.dry_run:
        from serpent_cli.cli.dry_run import predict

        predict((each for group in groups for each in _forecasts(group, request)), lost, request)
        return
    for each in lost:
        outcome.lose(each)
    try:
        _restore_groups(groups, request, outcome)
    except KeyboardInterrupt:
        outcome.interrupted()
        raise
    raise typer.Exit(outcome.finish())


def _check_scale(group: "Group", request: Request) -> None:
    """Refuse weights that enlarge by another scale than the group needs.

    Raises:
        UsageError: They do.
        ModelError: There are no such weights.
    """
    card = request.weights_for(group.scale).card
    if card.scale != group.scale:
        raise UsageError(
            f"the model {card.name} enlarges by {card.scale}, not by {group.scale}",
            hint="`serpent models list` shows what each model does",
        )


def _restore_groups(groups: "list[Group]", request: Request, outcome: Outcome) -> None:
    with progress_bar(outcome.total, "pictures", quiet=request.quiet) as bar:
        for group in groups:
            with closing(_results(group, request, bar)) as results:
                for result in results:
                    bar.advance(quick=result.skipped)
                    outcome.show(result)
                    if result.error is not None and request.fail_fast:
                        return


def _results(group: "Group", request: Request, bar: Bar) -> "Generator[FileResult]":
    from serpent_cli.batch.naming import local_targets
    from serpent_cli.batch.standing import settled
    from serpent_cli.whole_files import sweep, without_empty_folders

    jobs, ray = deque(group.jobs), request.engine == "ray"
    targets, manifest = local_targets(group.jobs), _manifest_settings(group, request).path
    with ExitStack() as stack:
        # A run that fails leaves nothing behind.
        stack.enter_context(without_empty_folders([*targets, *filter(None, [manifest])]))
        notes = stack.enter_context(_notes(group, request, read_only=ray))
        if not ray:
            sweep(targets)
        yield from settled(jobs, notes, force=request.force)
        if not jobs:
            return
        left = replace(group, jobs=tuple(jobs))
        if not request.quiet:
            console.note(_loading(group, request))
        bar.begin()
        if ray:
            yield from _on_ray(left, request)
        elif request.server:
            bar.crowd()
            yield from _on_server(left, request, notes)
        else:
            yield from _here(left, request, notes, bar)


# What the group is restored by.


def _here(group: "Group", request: Request, notes: "Notes", bar: Bar) -> "Iterator[FileResult]":
    from serpent_cli.batch.workers import run_all
    from serpent_cli.ops.backend import use_backend

    restorers = _load(group, request, notes)
    options = _options(group, request, notes)
    shown = replace(options, on_size=_announcer(request, restorers[0], bar), on_tile=bar.tile)
    with use_backend(BACKEND.get()), _watched(restorers, bar):
        yield from run_all(group.jobs, restorers, shown)


@contextmanager
def _watched(restorers: "list[Restorer]", bar: Bar) -> "Generator[None]":
    """Within, the bar hears of the network's layers, where one works at a time and at once."""
    restorer = restorers[0]
    if len(restorers) > 1:
        bar.crowd()
    elif bar.shown:
        from serpent_cli.model.watching import watched

        with watched(restorer.forward.model, bar.inside) as ask, bar.asking(ask):
            yield
        return
    yield


def _announcer(
    request: Request, restorer: "Restorer", bar: Bar
) -> "Callable[[Job, int, int], None]":
    """Tells the bar of each picture, and the user of large ones."""

    def on_size(job: "Job", height: int, width: int) -> None:
        if request.box is not None:
            width, height = request.box[2:]
        pixels = height * width * restorer.scale**2
        if pixels > ANNOUNCED_PIXELS and not request.quiet:
            console.note(announcement(job.target.name, height, width, restorer))
        bar.file(job.source.name, height * width)

    return on_size


def _on_server(group: "Group", request: Request, notes: "Notes") -> "Iterator[FileResult]":
    from serpent_cli.serving.client import Errand, run_on_server
    from serpent_cli.serving.wire import RestoreSettings
    from serpent_cli.zoo.names import anywhere

    settings = RestoreSettings(
        task=request.task, model=anywhere(request.model_for(group.scale)),
        strength=request.strength, region=request.region, quality=request.quality,
        size=request.size, format=request.chosen and request.chosen.suffixes[0].removeprefix("."),
        tile=request.tile, max_pixels=request.max_pixels,
    )  # fmt: skip
    errand = Errand(server_address(), settings, TOKEN.get(), request.force, notes)
    return run_on_server(group.jobs, errand)


def _on_ray(group: "Group", request: Request) -> "Iterator[FileResult]":
    from serpent_cli.batch.ray_actors import WorkerSettings
    from serpent_cli.batch.ray_engine import run_on_ray
    from serpent_cli.zoo.names import anywhere

    model = anywhere(request.model_for(group.scale))
    settings = replace(_restorer_settings(group, request), model=model)
    return run_on_ray(
        group.jobs, WorkerSettings(settings, _options(group, request, None), BACKEND.get()),
        _manifest_settings(group, request), jobs_each=request.jobs,
    )  # fmt: skip


def _forecasts(group: "Group", request: Request) -> "Iterator[FileResult]":
    """What would be done, without doing it."""
    from serpent_cli.batch.forecast import forecast

    with _notes(group, request, read_only=True) as known:
        restorer = _load(group, request, known)[0]
        speed, options = restorer.seconds_per_megapixel(), _options(group, request, known)
        for job in group.jobs:
            yield forecast(job, restorer, options, speed)


# What that needs.


def _loading(group: "Group", request: Request) -> str:
    """What is about to be loaded and where, said before torch is there to ask."""
    if request.server:
        return f"asking the server at {server_address()}"
    from serpent_cli.restoration.device_names import no_accelerator

    model = request.weights_for(group.scale).card.name
    if request.engine == "ray":
        return f"loading {model} on the machines of the Ray cluster"
    if request.device == "auto" and not no_accelerator():
        return f"loading {model}, on a GPU if there is one"
    names = ["cpu" if name == "auto" else name for name in request.devices]
    where = ", ".join(dict.fromkeys(names))
    if where != "cpu":
        return f"loading {model} on {where}"
    threads = request.threads or _threads()
    return f"loading {model} on cpu, {threads} thread{'s' if threads > 1 else ''}"


def _threads() -> int:
    """How many threads torch takes if nothing is said."""
    demanded = THREADS.get()
    if demanded is not None and demanded.isdigit() and int(demanded) > 0:
        return int(demanded)
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


def _load(group: "Group", request: Request, notes: "Notes") -> "list[Restorer]":
    """Restorers, `jobs` on each device, which share the memory."""
    from serpent_cli.restoration.device import use_threads
    from serpent_cli.restoration.plan import share_memory

    use_threads(request.threads)
    devices = [name for name in request.devices for _ in range(request.jobs)]
    memory = share_memory(notes.plan.get("memory"), len(devices))
    settings = replace(_restorer_settings(group, request), max_memory=memory)
    return [replace(settings, device=device).load() for device in devices]


def _restorer_settings(group: "Group", request: Request) -> "RestorerSettings":
    """What the restorers of a group are made of, but for the memory that they share."""
    from serpent_cli.restoration.restorer import RestorerSettings

    return RestorerSettings(
        model=request.weights_for(group.scale), device=request.device, strength=request.strength,
        precision=request.precision, tile=request.side, max_vram=request.vram_bytes,
    )  # fmt: skip


def _options(group: "Group", request: Request, notes: "Notes | None") -> "RunOptions":
    """What holds for every picture of a group."""
    from serpent_cli.batch.stages import RunOptions

    return RunOptions(
        max_pixels=request.max_pixels, region=request.box, force=request.force,
        quality=request.quality, chosen=request.chosen, size=request.geometry, manifest=notes,
    )  # fmt: skip


def _notes(group: "Group", request: Request, *, read_only: bool = False) -> "Notes":
    """The notes of a group: as demanded, or in the local folder that all results go to."""
    from serpent_cli.batch.notes import Notes

    settings = _manifest_settings(group, request)
    if settings.path is not None:
        _check_apart(settings.path, group)
    manifest = Notes(settings, read_only=read_only)
    if manifest.unread:
        console.warning(
            f"{settings.path}: {manifest.unread} of its lines are damaged or from another program;"
            " they are ignored"
        )
    return manifest


def _check_apart(path: Path, group: "Group") -> None:
    """Refuse a manifest that is one of the pictures.

    Raises:
        UsageError: It is.
    """
    from serpent_cli.batch.places import identity

    found = identity(path)
    pictures = (place for job in group.jobs for place in (job.source, job.target))
    if any(isinstance(each, Path) and identity(each) == found for each in pictures):
        raise UsageError(
            f"the manifest {path} is one of the pictures", hint="name another file with --manifest"
        )


def _manifest_settings(group: "Group", request: Request) -> "ManifestSettings":
    """What the manifest of a group is made with; its options are those of the command line."""
    from serpent_cli.restoration.memory_budget import default_budget

    card = request.weights_for(group.scale).card
    options = {
        "model": card.name, "sha256": card.sha256, "device": request.device,
        "precision": request.precision, "tile": request.tile, "max_memory": request.max_memory,
        "max_vram": request.max_vram, "strength": request.strength, "region": request.region,
        "size": request.size, "quality": request.quality,
    }  # fmt: skip
    memory = request.memory_bytes
    if memory is None and request.tile == "auto":  # a tile alone is taken at its word
        memory = default_budget()
    return replace(group.noting, options=options, plan={"memory": memory})
