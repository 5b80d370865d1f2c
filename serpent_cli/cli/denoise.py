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
from serpent_cli.restoration.words import parse_tile

if TYPE_CHECKING:
    from serpent_cli.restoration.cube_denoiser import CubeDenoiser

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
    georeference are kept. A cube larger than memory is denoised tile by tile. Weights for cubes are
    not bundled yet: give --model a file that `serpent train recipes/denoise-cube.toml` has made.
    """
    check_white(white)
    side = parse_tile(tile)
    if model is None:
        raise UsageError(
            "no weights for cubes are bundled yet",
            hint="train some (serpent train recipes/denoise-cube.toml --photos DIR); give --model",
        )
    goals = [
        result_path(each, output, "denoised", several=len(inputs) > 1, suffix=each.suffix)
        for each in inputs
    ]
    if len(set(goals)) < len(goals):
        raise UsageError("two results would have one name", hint="give them different -o")
    for goal in goals:
        check_result(goal, inputs, force=force)
    first = None if bands == "auto" else bands == "first"
    chosen = _loaded(model, offline, device, max_memory, side, threads)
    with progress_bar(len(inputs), "cubes", quiet=quiet or json) as bar:
        for source, goal in zip(inputs, goals, strict=True):
            reading = {"variable": variable, "bands_first": first}
            record = _one(chosen, source, goal, reading, white, bar, quiet=quiet)
            if json:
                console.json_line(record)
            else:
                console.result(str(goal))


def _loaded(
    model: str, offline: bool, device: str, memory: str | None, side: str | int, threads: int | None
) -> "CubeDenoiser":
    """The weights, ready; what is not here is fetched."""
    found = find_weights(model, offline=offline)
    import torch

    from serpent_cli.restoration.cube_denoiser import CubeDenoiser

    if threads:
        torch.set_num_threads(threads)
    return CubeDenoiser.from_pretrained(found, device=device, max_memory=memory, tile=side)


def _one(
    denoiser: "CubeDenoiser",
    source: Path,
    goal: Path,
    reading: dict[str, Any],
    white: float | None,
    bar: Bar,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """Denoise one cube; what was done, for --json."""
    from serpent_cli.cubes.files import read_cube, written
    from serpent_cli.restoration.cube_denoiser import full_scale

    begun = time.perf_counter()
    cube = read_cube(source, **reading)
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
    ("serpent denoise scene.hdr --model my.safetensors", "an ENVI cube, to scene_denoised.hdr"),
    (
        "serpent denoise scene.tif -o clean.tif --model my.safetensors",
        "a multi-band TIFF, georeference kept",
    ),
    ("serpent denoise a.mat --variable cube --model my.safetensors", "a variable of a .mat file"),
    (
        "serpent denoise huge.hdr --model my.safetensors --max-memory 1G",
        "one larger than memory",
    ),
)
