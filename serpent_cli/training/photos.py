"""Training photographs: decoded once, kept as uint8."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from serpent_cli.errors import NoInputError, PictureError
from serpent_cli.imaging.read import read_picture

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"})


def load_photos(
    folder: Path, least_side: int, on_photo: Callable[[int, int], None] | None = None
) -> list[Tensor]:
    """Decode every photograph under `folder`, in the order of their names.

    Args:
        folder: Searched recursively.
        least_side: Photographs with a shorter side, in pixels, are left out.
        on_photo: Called with (done, total) after each file.

    Returns:
        uint8 tensors (H, W, 3).

    Raises:
        NoInputError: No usable photograph was found.
        PictureError: A file cannot be read.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    photos: list[Tensor] = []
    for done, path in enumerate(paths, 1):
        picture = read_picture(path)
        if picture.pixels.dtype != np.uint8:
            raise PictureError(f"{path} is not an 8-bit picture", hint="convert it to 8 bits")
        if min(picture.height, picture.width) >= least_side:
            photos.append(torch.from_numpy(np.ascontiguousarray(picture.pixels)))
        if on_photo is not None:
            on_photo(done, len(paths))
    if not photos:
        raise NoInputError(
            f"no photograph of at least {least_side} x {least_side} pixels in {folder}",
            hint="--photos takes a folder of PNG, JPEG, TIFF, WebP or BMP files",
        )
    return photos
