"""`serpent denoise`: photographs as `deblur` restores them, cubes along their own axes."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import typer

from serpent_cli.cli.cube_files import Variable, White
from serpent_cli.cli.help_pages import INPUT_OUTPUT, show_examples
from serpent_cli.cli.request import Request, takes
from serpent_cli.cli.restoring import restore_files
from serpent_cli.errors import UsageError

Bands = Annotated[
    Literal["auto", "first", "last"],
    typer.Option(
        "--bands",
        help="Which axis of a .npy or .mat is the bands; auto: the last, or a far shorter first.",
        rich_help_panel=INPUT_OUTPUT,
    ),
]
FOR_BOTH = frozenset({"inputs", "output", "force", "model", "offline", "device", "max_memory",
                      "tile", "threads", "quiet", "json"})  # fmt: skip
"""Options that a cube has as well as a photograph."""


@dataclass(frozen=True, kw_only=True)
class _CubeOptions:
    variable: Variable = None
    bands: Bands = "auto"
    white: White = None


@dataclass(frozen=True, kw_only=True)
class DenoiseRequest(Request, _CubeOptions):
    """The command line of `denoise`."""

    task: ClassVar[str] = "denoise"

    def tag(self, scale: int) -> str:
        """`denoised`."""
        return "denoised"

    def model_for(self, scale: int) -> str:
        """`deblur`, which is blind to noise too, or what is named."""
        return self.model or "deblur"

    def refuse(self, options: set[str], owners: str, instead: str) -> None:
        """Refuse options that do not belong to what is to be denoised.

        Raises:
            UsageError: One of them is given.
        """
        for field in fields(self):
            if field.name in options and getattr(self, field.name) != field.default:
                option = "--" + field.name.replace("_", "-")
                raise UsageError(f"{option} is for {owners}, not for {instead}", "leave it out")


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
    of_cubes = {field.name for field in fields(_CubeOptions)}
    if not cubes:
        request.refuse(of_cubes, "cubes", "photographs")
        restore_files(request)
        return
    every = {field.name for field in fields(request)}
    request.refuse(every - FOR_BOTH - of_cubes, "photographs", "cubes")
    from serpent_cli.cli.denoising_cubes import denoise_cubes

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
command = takes(DenoiseRequest)(denoise)
