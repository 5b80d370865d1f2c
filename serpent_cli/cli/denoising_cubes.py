"""What `serpent denoise` does with cubes: one after the other, each into a file of its own."""

import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from serpent_cli.cli import console
from serpent_cli.cli.cube_files import (
    Bands,
    Variable,
    White,
    bands_first,
    check_result,
    check_white,
    result_path,
    say_notes,
)
from serpent_cli.cli.progress_bar import Bar, progress_bar
from serpent_cli.cli.request import Request
from serpent_cli.cli.weights import find_weights
from serpent_cli.errors import UsageError

if TYPE_CHECKING:
    from serpent_cli.restoration.cube_denoiser import CubeDenoiser

MODEL = "denoise-cube"
"""Weights for cubes where none are named."""

FOR_BOTH = frozenset({"inputs", "output", "force", "model", "offline", "device", "max_memory",
                      "tile", "threads", "quiet", "json"})  # fmt: skip
"""Options that a cube has as well as a photograph."""


@dataclass(frozen=True, kw_only=True)
class CubeOptions:
    """Options that only cubes have."""

    variable: Variable = None
    bands: Bands = "auto"
    white: White = None


@dataclass(frozen=True, kw_only=True)
class DenoiseRequest(Request, CubeOptions):
    """The command line of `denoise`."""

    task: ClassVar[str] = "denoise"
    done: ClassVar[str] = "denoised"

    def refuse(self, options: set[str], owners: str, instead: str) -> None:
        """Refuse options that do not belong to what is to be denoised.

        Raises:
            UsageError: One of them is given.
        """
        for field in fields(self):
            if field.name in options and getattr(self, field.name) != field.default:
                option = "--" + field.name.replace("_", "-")
                raise UsageError(f"{option} is for {owners}, not for {instead}", "leave it out")


def denoise_cubes(sources: list[Path], request: DenoiseRequest) -> None:
    """Denoise cubes.

    Raises:
        UsageError: An option makes no sense, or a result would replace something.
        ModelError: There are no such weights, or they are for something else.
        PictureError: A cube cannot be read or written.
    """
    check_white(request.white)
    side, model = request.side, request.model or MODEL
    output = None if request.output is None else Path(request.output)
    goals = [
        result_path(
            each, output, "denoised", several=len(sources) > 1, suffix=each.suffix, kept=True
        )
        for each in sources
    ]
    if len(set(goals)) < len(goals):
        raise UsageError("two results would have one name", hint="give them different -o")
    for goal in goals:
        check_result(goal, sources, force=request.force)
    reading = {"variable": request.variable, "bands_first": bands_first(request.bands)}
    chosen = _loaded(model, side, request)
    with progress_bar(len(sources), "cubes", quiet=request.quiet or request.json) as bar:
        for source, goal in zip(sources, goals, strict=True):
            record = _one(chosen, source, goal, reading, request, bar)
            if request.json:
                console.json_line(record)
            else:
                console.result(str(goal))


def _loaded(model: str, side: str | int, request: DenoiseRequest) -> "CubeDenoiser":
    """The weights, ready; what is not here is fetched."""
    found = find_weights(model, offline=request.offline)
    import torch

    from serpent_cli.restoration.cube_denoiser import CubeDenoiser

    if request.threads:
        torch.set_num_threads(request.threads)
    return CubeDenoiser.from_pretrained(
        found, device=request.device, max_memory=request.max_memory, tile=side
    )


def _one(
    denoiser: "CubeDenoiser",
    source: Path,
    goal: Path,
    reading: dict[str, Any],
    request: DenoiseRequest,
    bar: Bar,
) -> dict[str, Any]:
    """Denoise one cube; what was done, for --json."""
    from serpent_cli.cubes.files import read_cube, written
    from serpent_cli.cubes.scale import full_scale

    begun = time.perf_counter()
    cube = read_cube(source, **reading)
    say_notes(cube, goal, quiet=request.quiet)
    count, height, width = cube.shape
    bar.file(str(source), height * width)
    full = request.white or full_scale(cube)
    with written(goal, cube) as planes:
        denoiser.denoise(cube, planes, white=full, on_tile=bar.tile)
    bar.advance()
    return {
        "input": str(source), "output": str(goal), "bands": count, "height": height,
        "width": width, "white": full, "tiles": denoiser.plan(cube).tiles,
        "model": denoiser.card.name, "seconds": round(time.perf_counter() - begun, 2),
    }  # fmt: skip
