"""The one crossing between pictures (numpy, any depth) and tensors (float32 in [0, 1])."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from serpent_cli.imaging.alpha import fill_transparent
from serpent_cli.imaging.colour import to_depth, to_unit
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.tiling.grid import rounded_up


def visible_samples(picture: Picture) -> Samples:
    """What the network is given: (H, W) if grey, else (H, W, 3), without hidden colours."""
    pixels = picture.pixels
    if picture.alpha is not None:
        pixels = fill_transparent(pixels, picture.alpha)
    return pixels[..., 0] if picture.grey else pixels


def host_tensor(samples: Samples) -> Tensor:
    """Samples as they travel to a device: uint8 as it is, other depths as float32 in [0, 1]."""
    narrow = samples.dtype == np.uint8  # a quarter of the bytes, made wide where it arrives
    # Writable too, by a copy where it is not: torch warns of others.
    return torch.from_numpy(np.require(samples if narrow else to_unit(samples), None, ["C", "W"]))


def to_input(samples: Tensor) -> Tensor:
    """(H, W, 3) of uint8 or float32 in [0, 1] to (1, 3, H, W) float32, on the same device.

    A plane (H, W) becomes three equal channels.
    """
    unit = samples.float() / 255 if samples.dtype == torch.uint8 else samples
    if unit.ndim == 2:
        return unit.expand(1, 3, *unit.shape).contiguous()
    return unit.permute(2, 0, 1)[None].contiguous()


def to_output(tensor: Tensor, depth: np.dtype[np.generic]) -> Tensor:
    """(1, C, H, W) in [0, 1] to (H, W, C): uint8 for that depth, otherwise float32."""
    rounded = tensor.mul(255).round_().byte() if depth == np.uint8 else tensor.float()
    return rounded[0].permute(1, 2, 0).contiguous()


def to_samples(output: Tensor, depth: np.dtype[np.generic]) -> Samples:
    """What `to_output` made, on the CPU, as samples (H, W, C) of that depth."""
    return to_depth(output.numpy(), depth)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Continue (1, C, H, W) by `pad_to`, to multiples of `multiple`."""
    return pad_to(x, *(rounded_up(side, multiple) for side in x.shape[-2:]))


def pad_to(x: Tensor, rows: int, columns: int) -> Tensor:
    """Continue (1, C, H, W) by reflection, right and below, to (1, C, rows, columns).

    Reflection without the edge pixel where the picture is large enough, again and again where it
    is not; a single row or column is repeated.
    """
    height, width = x.shape[-2:]
    down, right = rows - height, columns - width
    if down < height and right < width:
        return functional.pad(x, (0, right, 0, down), mode="reflect") if down or right else x
    from_rows = _reflected(height, rows, x.device)
    from_columns = _reflected(width, columns, x.device)
    return x[..., from_rows, :][..., from_columns]


def _reflected(length: int, padded: int, device: torch.device) -> Tensor:
    """Indices 0, 1, …, n-1, n-2, …, 1, 0, 1, … of `padded` entries."""
    position = torch.arange(padded, device=device) % max(1, 2 * length - 2)
    return torch.minimum(position, (2 * length - 2 - position).abs())
