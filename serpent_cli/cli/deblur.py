"""`serpent deblur`."""

from serpent_cli.cli import options
from serpent_cli.cli.restoring import Request, restore_files


def deblur(
    inputs: options.Inputs,
    output: options.Output = None,
    model: options.Model = "deblur",
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
    """Sharpen blurred photographs: slight defocus, lens blur, short motion, with noise and JPEG.

    Without -o, NAME_deblurred.EXT is written beside each input, and a folder's pictures go to
    FOLDER_deblurred/.
    """
    restore_files(
        Request(
            inputs,
            output,
            model or "deblur",
            "deblurred",
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
        )
    )


deblur.__doc__ = f"{deblur.__doc__}\n\n" + options.examples(
    ("serpent deblur in.png -o out.png", "one picture"),
    ("serpent deblur holiday/", "a folder, to holiday_deblurred/"),
    ("serpent deblur a.tif b.jpg -o sharp/", "several, names kept"),
    ("serpent deblur scan.tif --max-memory 2G", "a large one on a small machine"),
)
