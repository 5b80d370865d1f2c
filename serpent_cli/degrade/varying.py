"""Blur that varies over a picture, as depth, moving subjects and a turning camera make it."""

import torch
from torch import Tensor
from torch.nn import functional

from serpent_cli.degrade.draws import upload

FIELD = 12  # knots on a side of a random field
MOMENTS = 13  # of a turn or zoom during the exposure


def random_masks(
    count: int, height: int, width: int, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Random parts of a picture, (count, 1, height, width) in [0, 1], hard or soft at their edges.

    A third each are random landscapes cut at a height (depth), half planes (a horizon, a wall that
    recedes), and rounded patches (a subject).
    """
    draw = upload(torch.rand(count, 9, generator=generator), device)
    knots = upload(torch.randn(count, 1, FIELD, FIELD, generator=generator), device)
    x, y = _places(draw[:, 0], 0.25 + 0.6 * draw[:, 1], draw[:, 2:4] - 0.5, height, width)
    landscape = functional.grid_sample(
        knots, torch.stack((x, y), -1), mode="bicubic", padding_mode="border", align_corners=False
    )[:, 0]
    plane = 3 * x
    stretch = _view(2.0 ** (2 * draw[:, 4] - 1))
    patch = 1.5 - 2.5 * ((x * stretch).abs() ** 3 + (y / stretch).abs() ** 3)
    kind = _view((3 * draw[:, 5]).floor())
    height_map = torch.where(kind == 0, landscape, torch.where(kind == 1, plane, patch))
    # From an edge of one or two pixels to one that fills the picture.
    softness = _view(torch.exp(torch.log(torch.tensor(5e-3)) * (1 - draw[:, 6]) ** 0.7))
    sign = _view(torch.where(draw[:, 7] < 0.5, -1.0, 1.0))
    level = _view(0.8 * (draw[:, 8] - 0.5))
    return torch.sigmoid(sign * (height_map - level) / softness)[:, None]


def _view(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1)


def _places(
    turn: Tensor, size: Tensor, centre: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """Coordinates (B, H, W) of the pixels of a turned window of a field on [-1, 1]²."""
    angle = _view(2 * torch.pi * turn)
    down = torch.linspace(-1, 1, height, device=turn.device).view(1, -1, 1)
    right = torch.linspace(-1, 1, width, device=turn.device).view(1, 1, -1)
    down, right = _view(size) * down, _view(size) * right
    x = angle.cos() * right - angle.sin() * down + _view(centre[:, 0]) * 0.6
    y = angle.sin() * right + angle.cos() * down + _view(centre[:, 1]) * 0.6
    return x, y


def turned(x: Tensor, angle: Tensor, zoom: Tensor, centre: Tensor) -> Tensor:
    """What a camera that turns and zooms during the exposure sees: the mean over its moments.

    Args:
        x: (B, C, H, W).
        angle: (B), of the whole turn, in radians.
        zoom: (B), of the whole zoom, as a part of the size.
        centre: (B, 2), the point that stays, right and down, where a side goes from -1 to 1.
    """
    total = torch.zeros_like(x)
    height, width = x.shape[-2:]
    down = torch.linspace(-1, 1, height, device=x.device).view(1, -1, 1)
    right = torch.linspace(-1, 1, width, device=x.device).view(1, 1, -1)
    for moment in range(MOMENTS):
        part = moment / (MOMENTS - 1) - 0.5
        cos, sin = (part * angle).cos(), (part * angle).sin()
        size = 1 + part * zoom
        across, along = right - _view(centre[:, 0]), down - _view(centre[:, 1])
        grid = torch.stack(
            (
                _view(size * cos) * across - _view(size * sin) * along + _view(centre[:, 0]),
                _view(size * sin) * across + _view(size * cos) * along + _view(centre[:, 1]),
            ),
            -1,
        )
        total += functional.grid_sample(x, grid, padding_mode="reflection", align_corners=True)
    return total / MOMENTS


def blend(layers: list[Tensor], masks: list[Tensor]) -> Tensor:
    """One picture of several: each mask, nearest first, shows its layer of what is left.

    Args:
        layers: Pictures (B, C, H, W); the last one is behind all others.
        masks: One fewer, (B, 1, H, W) in [0, 1].
    """
    result = layers[-1]
    for layer, mask in zip(reversed(layers[:-1]), reversed(masks), strict=True):
        result = torch.lerp(result, layer, mask)
    return result
