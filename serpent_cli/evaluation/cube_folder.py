"""The cubes of a folder that are scored by: clean, with data everywhere, in [0, 1].

Cubes of any format that the program reads, or of a packed folder: 16-bit grey PNG with the bands
below each other, each the difference from the one above modulo 65536, and an `index.json` that
lists them (`file`, `bands`, `height`, `width`, `top` for full scale, perhaps `wavelengths_nm`).
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from serpent_cli.cubes.cube import Cube, Samples
from serpent_cli.cubes.files import NAMES, is_cube, read_cube
from serpent_cli.errors import NoInputError, PictureError, UsageError, reason_of
from serpent_cli.evaluation.metrics import WINDOW

INDEX = "index.json"


def cube_files(folder: Path | None) -> list[Path]:
    """The cubes of a folder, by name.

    Raises:
        UsageError: No folder was given.
        NoInputError: It cannot be looked into, or holds no cube.
        PictureError: It has an index that is none.
    """
    if folder is None:
        raise UsageError("this suite needs cubes", hint="--photos takes a folder of clean ones")
    try:
        packed = (folder / INDEX).exists()
        found = [] if packed else sorted(filter(_counts, folder.iterdir()))
    except OSError as error:
        raise NoInputError(
            f"cannot look into {folder}: {reason_of(error)}", hint="check the name of the folder"
        ) from error
    if packed:
        found = sorted(folder / name for name in _index(folder))
    if not found:
        raise NoInputError(f"there is no cube in {folder}", hint="--photos takes a folder of cubes")
    return found


def read_clean(path: Path) -> Cube:
    """A cube of a folder, (T, H, W) float32 in [0, 1].

    Full scale is its brightest sample, or what the index says; below zero counts as black.

    Raises:
        PictureError: It cannot be read, is smaller than can be scored, or has places without data.
        DeviceError: A package is missing that it needs.
    """
    index = _index(path.parent) if (path.parent / INDEX).exists() else {}
    cube = _packed(path, index[path.name]) if index else read_cube(path)
    height, width = cube.shape[1:]
    samples = cube.window(slice(None), slice(None))
    if min(height, width) < WINDOW:
        raise PictureError(f"{path} is smaller than {WINDOW} x {WINDOW} pixels")
    if not bool(np.isfinite(samples).all()):
        raise PictureError(
            f"{path} has places without data", hint="cubes to score by need data everywhere"
        )
    full = 1.0 if index else float(samples.max())
    return replace(cube, planes=np.clip(samples / np.float32(full if full > 0 else 1), 0, 1))


def _counts(path: Path) -> bool:
    """Whether it is a cube; of the two files of ENVI the header is."""
    return path.suffix.lower() in (*NAMES, ".tif", ".tiff") and is_cube(path)


def _index(folder: Path) -> dict[str, dict[str, Any]]:
    """Entries of a packed folder by the names of their files."""
    try:
        entries = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return {str(entry["file"]): entry for entry in entries}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PictureError(
            f"cannot read {folder / INDEX}: it is no list of cubes",
            hint="each entry names file, bands, height, width and top",
        ) from error


def _packed(path: Path, entry: dict[str, Any]) -> Cube:
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            stored: Samples = np.asarray(picture).astype(np.uint16)
        planes = stored.reshape(entry["bands"], entry["height"], entry["width"])
        samples = np.cumsum(planes, 0, np.uint16).astype(np.float32) / np.float32(entry["top"])
        known = entry.get("wavelengths_nm")
        return Cube(samples, "PNG", None if known is None else tuple(map(float, known)))
    except (OSError, ValueError, TypeError, KeyError, SyntaxError) as error:
        raise PictureError(
            f"cannot read {path}: it is damaged, or not what {INDEX} says"
        ) from error
