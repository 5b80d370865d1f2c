"""From the host's memory to a device's, without waiting."""

import torch
from torch import Tensor


def upload(x: Tensor, device: torch.device) -> Tensor:
    """Give `x` on `device`.

    To a GPU of CUDA (a way that only such a machine takes) it goes through pinned memory: an
    ordinary copy would make the host wait until the GPU has done all that it was given before.
    """
    if device.type == "cuda" and x.device.type == "cpu":
        return x.pin_memory().to(device, non_blocking=True)
    return x.to(device)
