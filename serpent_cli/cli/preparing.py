"""What a restoring command needs before it begins: restorers, a manifest, options of the run."""

from typing import TYPE_CHECKING

from serpent_cli.cli.options import parse_region, parse_tile
from serpent_cli.cli.request import Request
from serpent_cli.errors import UsageError

if TYPE_CHECKING:
    from serpent_cli.batch.groups import Group
    from serpent_cli.batch.manifest import Manifest
    from serpent_cli.batch.stages import RunOptions
    from serpent_cli.restore.restorer import Restorer


def run_options(group: "Group", request: Request, manifest: "Manifest | None") -> "RunOptions":
    """What holds for every picture of a group."""
    from serpent_cli.batch.stages import RunOptions

    return RunOptions(
        max_pixels=request.max_pixels, region=parse_region(request.region), force=request.force,
        quality=request.quality, chosen=group.format, size=group.size, manifest=manifest,
    )  # fmt: skip


def manifest_of(group: "Group", request: Request, *, read_only: bool = False) -> "Manifest | None":
    """The manifest of a group: as demanded, or in the local folder that all results go to."""
    from serpent_cli.batch.manifest import NAME, Manifest

    path = request.manifest
    if path is None:
        if group.folder is None:
            return None
        path = group.folder / NAME
    from serpent_cli.zoo.locate import locate

    card = locate(request.model_for(group.scale))[1]
    options = {
        "model": card.name, "sha256": card.sha256, "device": request.device,
        "precision": request.precision, "tile": request.tile, "max_memory": request.max_memory,
        "max_vram": request.max_vram, "strength": request.strength, "region": request.region,
        "size": request.size, "quality": request.quality,
    }  # fmt: skip
    return Manifest(path, options, {"memory": _budget(request)}, read_only=read_only)


def _budget(request: Request) -> int | None:
    """Bytes that the process may reach; a tile that is demanded alone is taken at its word."""
    from serpent_cli.restore.memory import default_budget, parse_memory

    if request.max_memory:
        return parse_memory(request.max_memory)
    return default_budget() if request.tile == "auto" else None


def load(group: "Group", request: Request, manifest: "Manifest | None") -> "list[Restorer]":
    """Restorers, `jobs` on each device, which share the memory."""
    from serpent_cli.restore.memory import parse_memory
    from serpent_cli.restore.restorer import Restorer

    if request.threads:
        import torch

        torch.set_num_threads(request.threads)
    devices = [name.strip() for name in request.device.split(",") for _ in range(request.jobs)]
    budget = _budget(request) if manifest is None else manifest.plan.get("memory")
    restorers = [
        Restorer.load(
            request.model_for(group.scale), device=device, precision=request.precision,
            max_memory=_share(budget, len(devices)), tile=parse_tile(request.tile),
            max_vram=parse_memory(request.max_vram) if request.max_vram else None,
            strength=request.strength,
        )
        for device in devices
    ]  # fmt: skip
    found = restorers[0]
    if found.scale != group.scale:
        raise UsageError(
            f"the model {found.card.name} enlarges by {found.scale}, not by {group.scale}",
            hint="`serpent models list` shows what each model does",
        )
    return restorers


def _share(budget: int | None, workers: int) -> int | None:
    """What each of several workers may let the process reach, if all did alike."""
    from serpent_cli.restore.plan import BASE_BYTES

    if budget is None or workers == 1:
        return budget
    return BASE_BYTES + max(0, budget - BASE_BYTES) // workers
