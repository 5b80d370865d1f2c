"""Training photographs: decoded once, kept as uint8, cut into random crops."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from serpent_cli.errors import NoInputError, PictureError, UsageError
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


class CropSampler:
    """Random crops, flipped and transposed; every pixel of the set is about equally likely.

    Args:
        photos: uint8 tensors (H, W, 3), each at least `side` pixels high and wide.
        side: Side of a crop in pixels.
        generator: The only source of randomness.
    """

    def __init__(self, photos: list[Tensor], side: int, generator: torch.Generator) -> None:
        if any(min(photo.shape[:2]) < side for photo in photos):
            raise UsageError(f"every photograph must be at least {side} pixels high and wide")
        self.photos = photos
        self.side = side
        self.generator = generator
        areas = [(p.shape[0] - side + 1) * (p.shape[1] - side + 1) for p in photos]
        self.weights = torch.tensor(areas, dtype=torch.float64).sqrt()

    def draw(self, count: int) -> Tensor:
        """A batch (count, 3, side, side) of uint8."""
        chosen = torch.multinomial(self.weights, count, True, generator=self.generator).tolist()
        crops = [self._crop(self.photos[index]) for index in chosen]
        return torch.stack(crops).permute(0, 3, 1, 2).contiguous()

    def _crop(self, photo: Tensor) -> Tensor:
        top = self._below(photo.shape[0] - self.side + 1)
        left = self._below(photo.shape[1] - self.side + 1)
        crop = photo[top : top + self.side, left : left + self.side]
        symmetry = self._below(8)
        if symmetry & 1:
            crop = crop.flip(0)
        if symmetry & 2:
            crop = crop.flip(1)
        return crop.transpose(0, 1) if symmetry & 4 else crop

    def _below(self, limit: int) -> int:
        return int(torch.randint(limit, (), generator=self.generator))
