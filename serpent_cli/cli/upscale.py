"""`serpent upscale`."""

from typing import Annotated

import typer

from serpent_cli.cli import options
from serpent_cli.cli.restoring import Request, restore_files


def upscale(
    inputs: options.Inputs,
    output: options.Output = None,
    scale: Annotated[
        int, typer.Option("--scale", "-s", help="Output pixels per input pixel and axis.")
    ] = 8,
    model: options.Model = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    max_memory: options.MaxMemory = None,
    max_vram: options.MaxVram = None,
    tile: options.Tile = "auto",
    region: options.RegionOption = None,
    strength: options.Strength = 1.0,
    force: options.Force = False,
    max_pixels: options.MaxPixels = options.DEFAULT_MAX_PIXELS,
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Enlarge small, clean pictures.

    Without -o, NAME_x8.EXT is written beside each input, and a folder's pictures go to FOLDER_x8/.
    """
    from serpent_cli.zoo.locate import upscaler

    name = model or upscaler(scale)
    restore_files(
        Request(
            inputs,
            output,
            name,
            f"x{scale}",
            device,
            precision,
            max_memory,
            max_vram,
            tile,
            region,
            strength,
            force,
            max_pixels,
            threads,
            quiet,
            json,
            scale=scale,
        )
    )


upscale.__doc__ = f"{upscale.__doc__}\n\n" + options.examples(
    ("serpent upscale --scale 8 in.png -o out.png", "one picture"),
    ("serpent upscale thumbnails/", "a folder, to thumbnails_x8/"),
    ("serpent upscale in.png --region 40,40,64,64", "only a part of it"),
)
