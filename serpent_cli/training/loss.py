"""What training minimises."""

import torch
from torch import Tensor
from torch.nn import functional

PATCH = 32
"""Side of the squares whose errors are measured in decibels, in pixels."""

LEAST_ERROR = 1 / 255**2
"""Mean square of one level, 48 dB: added to a square's error, so that none counts without end."""


def restoration_loss(
    output: Tensor, target: Tensor, charbonnier: float, fft: float, decibel: float = 0.0
) -> Tensor:
    """Charbonnier distance, spectra, and errors in decibels; a scalar.

    Args:
        output: (B, C, H, W), full scale 1.
        target: The same shape.
        charbonnier: ε of mean sqrt(d² + ε²).
        fft: Weight of the L1 distance of orthonormal spectra.
        decibel: Weight of the mean of log(mean square error) over squares of `PATCH` pixels. It
            counts a square that is nearly right as much as one that is far from it, as PSNR does;
            the other terms are led by what cannot be restored.
    """
    difference = output - target
    loss = torch.sqrt(difference.square() + charbonnier**2).mean()
    if fft > 0:
        spectrum = torch.fft.rfft2(difference, norm="ortho")
        loss = loss + fft * torch.view_as_real(spectrum).abs().mean()
    if decibel > 0:
        errors = difference.square().mean(1, keepdim=True)
        errors = functional.avg_pool2d(errors, PATCH, ceil_mode=True)
        loss = loss + decibel * (errors + LEAST_ERROR).log().mean()
    return loss
