"""`serpent denoise`: photographs as `deblur` restores them, cubes along their own axes."""

from dataclasses import fields
from pathlib import Path

from serpent_cli.cli.denoising_cubes import FOR_BOTH, CubeOptions, DenoiseRequest, denoise_cubes
from serpent_cli.cli.help_pages import show_examples
from serpent_cli.cli.request import takes
from serpent_cli.cli.restoring import restore_files
from serpent_cli.errors import UsageError


def denoise(request: DenoiseRequest) -> None:
    """Denoise photographs, and cubes of many bands; the strength of the noise need not be known.

    Photographs: the weights `deblur`, which remove noise and sharpen what is blurred. Every option
    is as in `serpent deblur`.

    Cubes are TIFF of many bands, ENVI (.hdr), .npy and .mat: Gaussian noise, stripes, dead pixels.
    Wavelengths, no-data values and georeference are kept, and a cube larger than memory is denoised
    tile by tile. Of cubes there are these options alone: -o, -f, --variable, --bands, --white,
    --model, --offline, --device, --max-memory, --tile, --threads, -q, --json.

    Without -o, NAME_denoised.EXT is written beside each input.
    """
    cubes = _cubes(request.inputs or [])
    of_cubes = {field.name for field in fields(CubeOptions)}
    if not cubes:
        request.refuse(of_cubes, "cubes", "photographs")
        restore_files(request)
        return
    every = {field.name for field in fields(request)}
    request.refuse(every - FOR_BOTH - of_cubes, "photographs", "cubes")
    denoise_cubes(cubes, request)


def _cubes(words: list[str]) -> list[Path]:
    """The named files, if they are cubes; none if they are photographs.

    Raises:
        UsageError: There are both.
    """
    from serpent_cli.cubes.files import is_cube

    found = [Path(word) for word in words if is_cube(Path(word))]
    if found and len(found) < len(words):
        other = next(word for word in words if Path(word) not in found)
        raise UsageError(
            f"{found[0]} is a cube, and {other} is none", "denoise cubes and photographs one by one"
        )
    return found


show_examples(
    denoise,
    ("serpent denoise photo.jpg", "a photograph, to photo_denoised.jpg"),
    ("serpent denoise holiday/", "a folder of photographs, to holiday_denoised/"),
    ("serpent denoise scene.hdr", "an ENVI cube, to scene_denoised.hdr"),
    (
        "serpent denoise scene.tif -o clean.tif",
        "a multi-band TIFF, georeference kept",
    ),
    ("serpent denoise a.mat --variable cube", "a variable of a .mat file"),
    (
        "serpent denoise huge.hdr --max-memory 1G",
        "one larger than memory",
    ),
)
command = takes(DenoiseRequest)(denoise)
