"""Random crops of the training photographs, cut on the device that trains."""

import math
from functools import partial

import torch
from torch import Tensor

from serpent_cli.cubes.axes import axes_of
from serpent_cli.degrade.aperture import snapshots
from serpent_cli.degrade.draws import below, upload
from serpent_cli.degrade.pipeline import Layers, degrade
from serpent_cli.degrade.sensor import harmed
from serpent_cli.degrade.spectra import spectra_of
from serpent_cli.errors import UsageError
from serpent_cli.training.content import with_flat_parts
from serpent_cli.training.lettering import with_lettering
from serpent_cli.training.recipe import Recipe

ALIKE = 2
"""Crops of a batch whose cubes have the same number of bands."""


def place(photos: list[Tensor], device: torch.device) -> list[Tensor]:
    """Photographs on the device, where they fill at most half of its free memory; else unmoved.

    Only CUDA has a memory of its own that is worth it; elsewhere they stay on the host.
    """
    if device.type != "cuda":
        return photos
    free, _ = torch.cuda.mem_get_info(device)
    fit = sum(photo.nbytes for photo in photos) <= free / 2
    return [photo.to(device) for photo in photos] if fit else photos


class CropSampler:
    """Random crops, flipped and transposed; every pixel of the set is about equally likely.

    Args:
        photos: uint8 tensors (H, W, 3), each at least `side` pixels high and wide, on `device` or
            on the host.
        side: Side of a crop in pixels.
        generator: The only source of randomness, on the CPU.
        device: Where the crops are wanted.
    """

    def __init__(
        self,
        photos: list[Tensor],
        side: int,
        generator: torch.Generator,
        device: torch.device | None = None,
    ) -> None:
        if any(min(photo.shape[:2]) < side for photo in photos):
            raise UsageError(f"every photograph must be at least {side} pixels high and wide")
        self.photos = photos
        self.side = side
        self.generator = generator
        self.device = device or torch.device("cpu")
        areas = [(p.shape[0] - side + 1) * (p.shape[1] - side + 1) for p in photos]
        self.weights = torch.tensor(areas, dtype=torch.float64).sqrt()

    def draw(self, count: int) -> Tensor:
        """A batch (count, 3, side, side) of uint8."""
        chosen = torch.multinomial(self.weights, count, True, generator=self.generator).tolist()
        squares: list[Tensor] = []
        for photo in (self.photos[index] for index in chosen):
            top = below(photo.shape[0] - self.side + 1, self.generator)
            left = below(photo.shape[1] - self.side + 1, self.generator)
            square = photo[top : top + self.side, left : left + self.side]
            squares.append(_turned(square, below(8, self.generator)))
        return upload(torch.stack(squares), self.device).permute(0, 3, 1, 2).contiguous()


def _turned(square: Tensor, symmetry: int) -> Tensor:
    """One of the eight symmetries of a square (S, S, 3)."""
    flipped = [axis for axis in (0, 1) if symmetry >> axis & 1]
    square = square.flip(flipped) if flipped else square
    return square.transpose(0, 1) if symmetry & 4 else square


def degraded_pair(
    crops: Tensor,
    recipe: Recipe,
    generator: torch.Generator,
    field: torch.Generator | None = None,
    layers: list[Layers] | None = None,
) -> tuple[Tensor, Tensor]:
    """Degrade crops, and cut the halo from both sides of the pair.

    Args:
        crops: uint8 (B, 3, H, W), the recipe's halo included; a recipe for cubes makes them of it.
        recipe: How they are degraded.
        generator: See `degrade`.
        field: See `degrade`.
        layers: See `degrade`.

    Returns:
        What the network is given, (B, 3, h / s, w / s), and what it should give, (B, 3, h, w).
    """
    data, halo = recipe.data, recipe.data.halo
    if recipe.cubes is not None:
        return cube_pair(_cut(crops, halo).float().div_(255), recipe, generator, field)
    crops = with_flat_parts(crops, data.flat_share, data.frame_share, generator)
    crops = with_lettering(crops, data.lettering_share, generator)
    clean = crops.float().div_(255)
    degraded = degrade(clean, recipe.degrade, generator, field, halo, layers)
    return degraded, _cut(clean, halo)


def cube_pair(
    photographs: Tensor,
    recipe: Recipe,
    generator: torch.Generator,
    field: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Make cubes (B, T, H, W) of photographs (B, 3, H, W) in [0, 1], and harm them.

    Returns:
        What the network is given and what it should give: both (B, channels, H, W) along the axes
        of each cube; for snapshots (B, 2 T, H, W), and the cubes.
    """
    assert recipe.cubes is not None
    if recipe.degrade.task == "reconstruct":
        cubes = spectra_of(photographs, recipe.model.channels, generator, visible=True)
        return snapshots(cubes, recipe.cubes.noise, generator), cubes
    pairs: list[tuple[Tensor, Tensor]] = []
    for some in photographs.split(ALIKE):
        cubes = spectra_of(some, _bands(recipe.cubes.bands, generator), generator)
        given = harmed(cubes, recipe.cubes, generator, field)
        pairs += map(partial(along_axes, channels=recipe.model.channels), given, cubes)
    given, wanted = (torch.stack(side) for side in zip(*pairs, strict=True))
    return given, wanted


def along_axes(given: Tensor, clean: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """A cube (T, H, W) along its own axes, as it is given and as it should be; (channels, H, W).

    The axes are measured on its upper half: a tile's are not those of the whole cube either.
    """
    samples = given.cpu().numpy()
    half = samples[:, : max(2, samples.shape[1] // 2)]
    axes = axes_of(lambda: [half], len(samples))
    standard = axes.mended(axes.standard(samples))
    seen = axes.seen(standard, channels)
    wanted = seen + axes.wanted(standard, axes.standard(clean.cpu().numpy()), channels)
    return torch.from_numpy(seen).to(given), torch.from_numpy(wanted).to(given)


def _bands(span: tuple[int, int], generator: torch.Generator) -> int:
    """A number of bands; its logarithm is even."""
    low, high = math.log(span[0]), math.log(span[1] + 1)
    drawn = low + (high - low) * float(torch.rand((), generator=generator))
    return min(int(math.exp(drawn)), span[1])


def _cut(x: Tensor, border: int) -> Tensor:
    h, w = x.shape[-2:]
    return x[..., border : h - border, border : w - border].contiguous()
