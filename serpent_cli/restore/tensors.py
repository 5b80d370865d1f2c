"""The one crossing between pictures (numpy, any depth) and tensors (float32 in [0, 1])."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from serpent_cli.imaging.colour import to_unit
from serpent_cli.imaging.picture import Samples


def to_tensor(samples: Samples, device: torch.device) -> Tensor:
    """(H, W, 3) of uint8, uint16 or float32 to (1, 3, H, W) float32 in [0, 1].

    A plane (H, W) becomes three equal channels.
    """
    unit = torch.from_numpy(np.ascontiguousarray(to_unit(samples)))
    if unit.ndim == 2:
        unit = unit[..., None].expand(-1, -1, 3)
    return unit.permute(2, 0, 1)[None].to(device, memory_format=torch.contiguous_format)


def to_array(tensor: Tensor) -> NDArray[np.float32]:
    """(1, 3, H, W) to a float32 array (H, W, 3) of its own."""
    return tensor[0].permute(1, 2, 0).float().cpu().contiguous().numpy()


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Continue (1, C, H, W) by reflection, right and below, to multiples of `multiple`.

    Reflection without the edge pixel where the picture is large enough, again and again where it
    is not; a single row or column is repeated.
    """
    height, width = x.shape[-2:]
    down, right = -height % multiple, -width % multiple
    if down < height and right < width:
        return functional.pad(x, (0, right, 0, down), mode="reflect") if down or right else x
    rows = _reflected(height, height + down, x.device)
    columns = _reflected(width, width + right, x.device)
    return x[..., rows, :][..., columns]


def _reflected(length: int, padded: int, device: torch.device) -> Tensor:
    """Indices 0, 1, …, n-1, n-2, …, 1, 0, 1, … of `padded` entries."""
    position = torch.arange(padded, device=device) % max(1, 2 * length - 2)
    return torch.minimum(position, (2 * length - 2 - position).abs())
