"""What `deblur` and `upscale` share: files in, restored files out, results shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from serpent_cli.cli import console
from serpent_cli.cli.options import parse_region, parse_tile
from serpent_cli.errors import UsageError
from serpent_cli.settings import BACKEND

if TYPE_CHECKING:
    from serpent_cli.batch.naming import Job
    from serpent_cli.batch.runner import FileResult
    from serpent_cli.restore.restorer import Restorer

ANNOUNCED_PIXELS = 100_000_000  # larger results are announced with their size and time


@dataclass(frozen=True)
class Request:
    """The parsed command line of a restoring command; fields as the options of the same name."""

    inputs: list[Path]
    output: Path | None
    model: str
    tag: str
    device: str
    precision: str
    max_memory: str | None
    max_vram: str | None
    tile: str
    region: str | None
    strength: float
    force: bool
    max_pixels: int
    threads: int | None
    quiet: bool
    json: bool
    scale: int = 1


def restore_files(request: Request) -> None:
    """Restore all files of a request.

    Ends with exit code 1 if some of them failed; if all did for one kind of reason, such as a
    region that lies in none of them, with that reason's code.
    """
    from serpent_cli.batch.naming import name_targets
    from serpent_cli.batch.sources import find_sources

    # Whatever can be wrong with the request is found before torch loads.
    region, tile = parse_region(request.region), parse_tile(request.tile)
    jobs = name_targets(find_sources(request.inputs), request.output, request.tag)
    restorer = _load(request, tile)
    if restorer.scale != request.scale:
        raise UsageError(
            f"the model {restorer.card.name} enlarges by {restorer.scale}, not by {request.scale}",
            hint="`serpent models list` shows what each model does",
        )
    failures: list[int] = []
    for result in _results(jobs, restorer, request, region):
        if result.error is not None:
            failures.append(result.error.exit_code)
        _show(result, request)
    failed = len(failures)
    if request.json:
        console.json_line({"files": len(jobs), "failed": failed, "model": restorer.card.name})
    elif failed and len(jobs) > 1:
        console.note(f"{failed} of {len(jobs)} pictures failed")
    if failed:
        alike = failed == len(jobs) and len(set(failures)) == 1
        raise typer.Exit(failures[0] if alike else 1)


def _load(request: Request, tile: str | int) -> "Restorer":
    from serpent_cli.restore.memory import parse_memory

    budget, vram = (
        parse_memory(text) if text else None for text in (request.max_memory, request.max_vram)
    )
    from serpent_cli.restore.restorer import Restorer

    if request.threads:
        import torch

        torch.set_num_threads(request.threads)
    return Restorer.load(
        request.model, device=request.device, precision=request.precision, max_memory=budget,
        max_vram=vram, tile=tile, strength=request.strength,
    )  # fmt: skip


def _results(
    jobs: "list[Job]", restorer: "Restorer", request: Request, region: Any
) -> "Iterator[FileResult]":
    from serpent_cli.batch.runner import RunOptions, run
    from serpent_cli.ops.backend import use_backend

    with (
        use_backend(BACKEND.get()),
        console.progress_bar(len(jobs), "files", quiet=request.quiet) as bar,
    ):

        def on_size(job: "Job", height: int, width: int) -> None:
            bar.file(job.source.name)
            if region is not None:
                width, height = region[2:]
            pixels = height * width * restorer.scale**2
            if pixels > ANNOUNCED_PIXELS and not request.quiet:
                console.note(_announcement(job.target.name, height, width, restorer))

        options = RunOptions(request.max_pixels, region, request.force, on_size, bar.tile)
        for result in run(jobs, restorer, options):
            bar.advance()
            yield result


def _announcement(name: str, height: int, width: int, restorer: "Restorer") -> str:
    scale = restorer.scale
    seconds = restorer.seconds_per_megapixel() * height * width / 2**20
    megabytes = height * width * scale**2 * 3 / 1e6
    return (
        f"{name} will have {width * scale} x {height * scale} pixels, {megabytes:.0f} MB before"
        f" compression, and take about {_duration(seconds)}"
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _show(result: "FileResult", request: Request) -> None:
    for text in result.warnings:
        console.warning(f"{result.job.source}: {text}")
    if result.error is not None:
        console.error(result.error)
    if request.json:
        console.json_line(_record(result))
    elif result.error is None and not request.quiet:
        console.result(str(result.job.target))


def _record(result: "FileResult") -> dict[str, Any]:
    record: dict[str, Any] = {
        "input": str(result.job.source),
        "output": str(result.job.target),
        "seconds": round(result.seconds, 3),
        "warnings": list(result.warnings),
    }
    if result.error is not None:
        return {**record, "error": result.error.message, "hint": result.error.hint}
    return {**record, "width": result.width, "height": result.height, "tiles": result.tiles}
