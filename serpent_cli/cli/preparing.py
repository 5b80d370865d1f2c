"""What a restoring command needs before it begins: restorers, a manifest, options of the run."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from serpent_cli.cli import console
from serpent_cli.cli.request import Request
from serpent_cli.errors import UsageError
from serpent_cli.restoration.words import parse_region, parse_tile
from serpent_cli.settings import BACKEND, SERVER, THREADS, TOKEN

if TYPE_CHECKING:
    from serpent_cli.batch.groups import Group
    from serpent_cli.batch.manifest import ManifestTerms
    from serpent_cli.batch.notes import Notes
    from serpent_cli.batch.result import FileResult
    from serpent_cli.batch.stages import RunOptions
    from serpent_cli.restoration.restorer import Restorer
    from serpent_cli.restoration.terms import RestorerTerms


def check(request: Request) -> None:
    """Refuse what can be seen to be wrong on the command line, before anything is loaded.

    Raises:
        UsageError: A word that makes no sense.
        DeviceError: A device that this machine does not have.
    """
    from serpent_cli.restoration.device_names import check_device, check_precision
    from serpent_cli.restoration.memory import parse_memory

    parse_region(request.region)
    parse_tile(request.tile)
    check_precision(request.precision)
    for size in (request.max_memory, request.max_vram):
        if size is not None:
            parse_memory(size)
    if request.server:
        check_server(request)
    elif request.engine == "local":  # other machines may have other devices
        for name in device_names(request):
            check_device(name)


def check_server(request: Request) -> None:
    """Refuse what only a server decides, and see that one is there.

    Raises:
        UsageError: An option that has no meaning with --server.
        DeviceError: No server answers.
    """
    from serpent_cli.serving.client import check

    given = {
        "--device": request.device != "auto", "--precision": request.precision != "auto",
        "--max-memory": request.max_memory is not None, "--threads": request.threads is not None,
        "--max-vram": request.max_vram is not None, "--jobs": request.jobs != 1,
    }  # fmt: skip
    if found := next((option for option, said in given.items() if said), None):
        raise UsageError(f"{found} is for the server to decide", "give it to `serpent serve`")
    if request.engine != "local" or request.dry_run:
        other = "--engine ray" if request.engine != "local" else "--dry-run"
        raise UsageError(f"--server and {other} do not go together", "leave one of them out")
    check(server_address())


def server_address() -> str:
    """Where the server is."""
    from serpent_cli.serving.wire import default_socket

    return SERVER.get() or str(default_socket())


def on_server(group: "Group", request: Request, notes: "Notes") -> "Iterator[FileResult]":
    """Results of a group from a server."""
    from serpent_cli.serving.client import Errand, run_on_server
    from serpent_cli.serving.wire import Terms
    from serpent_cli.zoo.names import is_path

    model = request.model_for(group.scale)
    terms = Terms(
        task=request.task, model=str(Path(model).absolute()) if is_path(model) else model,
        strength=request.strength, region=request.region, quality=request.quality,
        size=request.size, format=group.format and group.format.suffixes[0].removeprefix("."),
        tile=request.tile, max_pixels=request.max_pixels,
    )  # fmt: skip
    errand = Errand(server_address(), terms, TOKEN.get(), request.force, notes)
    return run_on_server(group.jobs, errand)


def device_names(request: Request) -> list[str]:
    """The devices that are named, each once."""
    return [name.strip() for name in request.device.split(",")]


def loading(group: "Group", request: Request) -> str:
    """What is about to be loaded and where, said before torch is there to ask."""
    if request.server:
        return f"asking the server at {server_address()}"
    from serpent_cli.restoration.device_names import no_accelerator
    from serpent_cli.zoo.locate import locate

    model = locate(request.model_for(group.scale)).card.name

    if request.engine == "ray":
        return f"loading {model} on the machines of the Ray cluster"
    if request.device == "auto" and not no_accelerator():
        return f"loading {model}, on a GPU if there is one"
    names = ["cpu" if name == "auto" else name for name in device_names(request)]
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


def run_options(group: "Group", request: Request, notes: "Notes | None") -> "RunOptions":
    """What holds for every picture of a group."""
    from serpent_cli.batch.stages import RunOptions

    return RunOptions(
        max_pixels=request.max_pixels, region=parse_region(request.region), force=request.force,
        quality=request.quality, chosen=group.format, size=group.size, manifest=notes,
    )  # fmt: skip


def notes_of(group: "Group", request: Request, *, read_only: bool = False) -> "Notes":
    """The notes of a group: as demanded, or in the local folder that all results go to."""
    from serpent_cli.batch.notes import Notes

    terms = manifest_terms(group, request)
    if terms.path is not None:
        _check_apart(terms.path, group)
    manifest = Notes(terms, read_only=read_only)
    if manifest.unread:
        console.warning(
            f"{terms.path}: {manifest.unread} of its lines are damaged or of another program, and"
            " do not count"
        )
    return manifest


def _check_apart(path: "Path", group: "Group") -> None:
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


def manifest_path(folder: Path | None, request: Request) -> Path | None:
    """Where results are noted: as demanded, or in the folder that they go to, if there is one."""
    from serpent_cli.batch.manifest import NAME

    if request.manifest is not None or folder is None:
        return request.manifest
    return folder / NAME


def manifest_terms(group: "Group", request: Request) -> "ManifestTerms":
    """What the manifest of a group is made with."""
    from serpent_cli.batch.manifest import ManifestTerms
    from serpent_cli.zoo.locate import locate

    noting = group.noting
    path, own = manifest_path(noting.folder, request), request.manifest is not None
    card = locate(request.model_for(group.scale)).card
    options = {
        "model": card.name, "sha256": card.sha256, "device": request.device,
        "precision": request.precision, "tile": request.tile, "max_memory": request.max_memory,
        "max_vram": request.max_vram, "strength": request.strength, "region": request.region,
        "size": request.size, "quality": request.quality,
    }  # fmt: skip
    return ManifestTerms(
        path, options, {"memory": _budget(request)}, shared=noting.shared and not own,
        replaces=noting.replaces or own,
    )  # fmt: skip


def _budget(request: Request) -> int | None:
    """Bytes that the process may reach; a tile that is demanded alone is taken at its word."""
    from serpent_cli.restoration.memory import default_budget, parse_memory

    if request.max_memory:
        return parse_memory(request.max_memory)
    return default_budget() if request.tile == "auto" else None


def load(group: "Group", request: Request, notes: "Notes") -> "list[Restorer]":
    """Restorers, `jobs` on each device, which share the memory."""
    from serpent_cli.restoration.plan import share_memory

    if request.threads:
        import torch

        torch.set_num_threads(request.threads)
    devices = [name for name in device_names(request) for _ in range(request.jobs)]
    budget = notes.plan.get("memory")
    terms = replace(load_terms(group, request), max_memory=share_memory(budget, len(devices)))
    return [replace(terms, device=device).load() for device in devices]


def load_terms(group: "Group", request: Request) -> "RestorerTerms":
    """What the restorers of a group are made of, but for the memory that they share."""
    from serpent_cli.restoration.memory import parse_memory
    from serpent_cli.restoration.terms import RestorerTerms

    return RestorerTerms(
        model=request.model_for(group.scale), device=request.device, strength=request.strength,
        precision=request.precision, tile=parse_tile(request.tile),
        max_vram=parse_memory(request.max_vram) if request.max_vram else None,
    )  # fmt: skip


def on_ray(group: "Group", request: Request) -> "Iterator[FileResult]":
    """Results of a group from a Ray cluster."""
    if request.threads:
        raise UsageError("--engine ray shares out the cores itself", hint="leave out --threads")
    from serpent_cli.batch.ray_actors import Terms
    from serpent_cli.batch.ray_engine import run_on_ray
    from serpent_cli.zoo.locate import is_path, locate

    terms = load_terms(group, request)
    path = locate(terms.model).path
    if is_path(terms.model):  # workers have another working folder
        terms = replace(terms, model=str(path.absolute()))
    return run_on_ray(
        group.jobs, Terms(terms, run_options(group, request, None), BACKEND.get()),
        manifest_terms(group, request), jobs_each=request.jobs,
    )  # fmt: skip


def check_scale(group: "Group", request: Request) -> None:
    """Refuse weights that enlarge by another scale than the group needs.

    Raises:
        UsageError: They do.
        ModelError: There are no such weights.
    """
    from serpent_cli.zoo.locate import locate

    card = locate(request.model_for(group.scale)).card
    if card.scale != group.scale:
        raise UsageError(
            f"the model {card.name} enlarges by {card.scale}, not by {group.scale}",
            hint="`serpent models list` shows what each model does",
        )
