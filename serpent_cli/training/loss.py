"""What training minimises."""

import torch
from torch import Tensor


def restoration_loss(output: Tensor, target: Tensor, charbonnier: float, fft: float) -> Tensor:
    """Charbonnier distance plus `fft` times the L1 distance of orthonormal spectra; a scalar."""
    difference = output - target
    loss = torch.sqrt(difference.square() + charbonnier**2).mean()
    if fft > 0:
        spectrum = torch.fft.rfft2(difference, norm="ortho")
        loss = loss + fft * torch.view_as_real(spectrum).abs().mean()
    return loss
