"""The photographs of a folder, and pairs of them by name."""

from pathlib import Path

import numpy as np

from serpent_cli.errors import NoInputError, PictureError, UsageError, reason_of
from serpent_cli.imaging.formats import WRITABLE_SUFFIXES
from serpent_cli.imaging.picture import Samples
from serpent_cli.imaging.read import read_picture

LEAST_SIDE = 32  # of a photograph: a wide Gaussian is reflected, SSIM's window fits
TRUTH, INPUT = "ref", "in"  # folders of the pairs


def photographs(folder: Path) -> list[Path]:
    """The photographs of a folder, by name.

    Raises:
        NoInputError: There is none.
    """
    try:
        paths = sorted(
            path for path in folder.glob("*") if path.suffix.lower() in WRITABLE_SUFFIXES
        )
    except OSError as error:
        raise NoInputError(
            f"cannot look into {folder}: {reason_of(error)}", hint="check the name of the folder"
        ) from error
    if not paths:
        raise NoInputError(
            f"there is no photograph in {folder}", hint="--photos takes a folder of sharp pictures"
        )
    return paths


def pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Sharp photographs in `ref/` and the inputs of the same name in `in/`; suffixes may differ.

    Raises:
        NoInputError: One of the folders is empty, or a picture has no partner.
        UsageError: Two pictures of a folder share a name.
    """
    truths, inputs = (_by_name(folder / name) for name in (TRUTH, INPUT))
    for here, there, other in ((truths, inputs, INPUT), (inputs, truths, TRUTH)):
        for name, path in here.items():
            if name not in there:
                raise NoInputError(
                    f"{path} has no partner {name} in {folder / other}",
                    hint=f"pairs are {TRUTH}/NAME and {INPUT}/NAME; suffixes may differ",
                )
    return [(truths[name], inputs[name]) for name in truths]


def _by_name(folder: Path) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in photographs(folder):
        if path.stem in named:
            raise UsageError(f"{named[path.stem]} and {path} have the same name")
        named[path.stem] = path
    return named


def read_photograph(path: Path, least_side: int = LEAST_SIDE) -> Samples:
    """Pixels (H, W, 3), uint8.

    Raises:
        PictureError: It cannot be read, is not 8 bits deep, or smaller than can be scored.
    """
    picture = read_picture(path)
    if picture.pixels.dtype != np.uint8:
        raise PictureError(f"{path} is not an 8-bit picture", hint="convert it to 8 bits")
    if min(picture.height, picture.width) < least_side:
        raise PictureError(f"{path} is smaller than {least_side} x {least_side} pixels")
    return picture.pixels
