"""Random snapshots to train on: coded apertures as they are made, and the noise of the sensor."""

import torch
from torch import Tensor

from serpent_cli.degrade.cassi import measure, network_input


def random_masks(count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Masks (B, H, W) in [0, 1]: half of the squares open, with soft edges as in real ones."""
    open_ = (torch.rand(count, 1, height, width, generator=generator) < 0.5).float()
    blur = 0.25 * torch.rand(count, 1, 1, 1, generator=generator)
    for axis in (2, 3):
        open_ = (1 - 2 * blur) * open_ + blur * (open_.roll(1, axis) + open_.roll(-1, axis))
    dark = 0.05 * torch.rand(count, 1, 1, 1, generator=generator)
    return (dark + (1 - dark) * open_)[:, 0]


def snapshots(
    cubes: Tensor, noise: tuple[float, float], generator: torch.Generator
) -> Tensor:  # fmt: skip
    """What a network is given of scenes: the shifted snapshot, and the mask in every band.

    Args:
        cubes: (B, T, H, W) in [0, 1].
        noise: Range of the deviation of the sensor's noise, in 1/255 of one band's full scale.
        generator: The only source of randomness, on the CPU.

    Returns:
        (B, 2 T, H, W).
    """
    count, bands, height, width = cubes.shape
    masks = random_masks(count, height, width, generator).to(cubes)
    low, high = noise
    level = (low + (high - low) * torch.rand(count, 1, 1, generator=generator)) / 255
    given: list[Tensor] = []
    for cube, mask, each in zip(cubes, masks, level, strict=True):
        snapshot = measure(cube[None], mask)
        field = torch.randn(snapshot.shape, generator=generator)
        snapshot = snapshot + (each * field).to(cubes)
        given.append(torch.cat((network_input(snapshot, bands)[0], mask.expand_as(cube))))
    return torch.stack(given)
