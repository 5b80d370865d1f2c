"""`serpent denoise`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from serpent_cli.cli import console, options
from serpent_cli.cli.cube_files import (
    Json,
    Output,
    Variable,
    White,
    check_result,
    check_white,
    result_path,
    say_notes,
)
from serpent_cli.cli.help_pages import INPUT_OUTPUT, show_examples
from serpent_cli.cli.hub import find_weights
from serpent_cli.cli.progress_bar import Bar, progress_bar
from serpent_cli.errors import UsageError

if TYPE_CHECKING:
    from serpent_cli.restoration.cube_denoiser import CubeDenoiser

DEFAULT = "denoise-cube"

Cubes = Annotated[
    list[Path], typer.Argument(help="Cubes: multi-band TIFF, ENVI (.hdr), .npy or .mat.")
]
Bands = Annotated[
    Literal["auto", "first", "last"],
    typer.Option(
        "--bands",
        help="Which axis of a .npy or .mat is the bands; auto: the last, or a far shorter first.",
        rich_help_panel=INPUT_OUTPUT,
    ),
]


def denoise(
    inputs: Cubes,
    output: Output = None,
    force: options.Force = False,
    variable: Variable = None,
    bands: Bands = "auto",
    white: White = None,
    model: options.Model = None,
    offline: options.Offline = False,
    device: options.Device = "auto",
    max_memory: options.MaxMemory = None,
    tile: options.Tile = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    json: Json = False,
) -> None:
    """Denoise cubes of many bands: Gaussian noise, stripes and dead pixels, of unknown strength.

    Without -o, NAME_denoised.EXT is written beside each cube. Wavelengths, no-data values and
    georeference are kept. A cube larger than memory is denoised tile by tile.
    """
    check_white(white)
    goals = [
        result_path(each, output, "denoised", several=len(inputs) > 1, suffix=each.suffix)
        for each in inputs
    ]
    if len(set(goals)) < len(goals):
        raise UsageError("two results would have one name", hint="give them different -o")
    for goal in goals:
        check_result(goal, inputs, force=force)
    first = None if bands == "auto" else bands == "first"
    chosen = _loaded(model or DEFAULT, offline, device, max_memory, tile, threads)
    with progress_bar(len(inputs), "cubes", quiet=quiet or json) as bar:
        for source, goal in zip(inputs, goals, strict=True):
            terms = {"variable": variable, "bands_first": first}
            record = _one(chosen, source, goal, terms, white, bar, quiet=quiet)
            if json:
                console.json_line(record)
            else:
                console.result(str(goal))


def _loaded(
    model: str, offline: bool, device: str, memory: str | None, tile: str, threads: int | None
) -> "CubeDenoiser":
    """The weights, ready; what is not here is fetched."""
    found = find_weights(model, offline=offline)
    import torch

    from serpent_cli.restoration.cube_denoiser import CubeDenoiser

    if threads:
        torch.set_num_threads(threads)
    side = tile if tile in ("auto", "whole") else _side(tile)
    return CubeDenoiser.from_pretrained(found, device=device, max_memory=memory, tile=side)


def _side(tile: str) -> int:
    if not tile.isdigit():
        raise UsageError(f"--tile is auto, whole or a number of pixels, not {tile!r}")
    return int(tile)


def _one(
    denoiser: "CubeDenoiser",
    source: Path,
    goal: Path,
    terms: dict[str, Any],
    white: float | None,
    bar: Bar,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """Denoise one cube; what was done, for --json."""
    from serpent_cli.cubes.files import read_cube, written
    from serpent_cli.restoration.cube_denoiser import full_scale

    begun = time.perf_counter()
    cube = read_cube(source, **terms)
    say_notes(cube, goal, quiet=quiet)
    count, height, width = cube.shape
    bar.file(str(source), height * width)
    full = white or full_scale(cube)
    with written(goal, cube) as planes:
        denoiser.denoise(cube, planes, white=full, on_tile=bar.tile)
    bar.advance()
    return {
        "input": str(source), "output": str(goal), "bands": count, "height": height,
        "width": width, "white": full, "tiles": denoiser.plan(cube).tiles,
        "model": denoiser.card.name, "seconds": round(time.perf_counter() - begun, 2),
    }  # fmt: skip


show_examples(
    denoise,
    ("serpent denoise scene.hdr", "an ENVI cube, to scene_denoised.hdr"),
    ("serpent denoise scene.tif -o clean.tif", "a multi-band TIFF, georeference kept"),
    ("serpent denoise a.mat --variable cube", "a variable of a .mat file"),
    ("serpent denoise huge.hdr --max-memory 1G", "a cube larger than memory"),
)
