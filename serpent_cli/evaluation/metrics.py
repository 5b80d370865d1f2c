"""Picture quality as the field reports it: PSNR, SSIM, and luma of BT.601.

SSIM: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
structural similarity", IEEE TIP 2004, equation 13, with the paper's window and constants.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.floating]

WINDOW, WINDOW_SIGMA = 11, 1.5
_STEPS = [step - WINDOW // 2 for step in range(WINDOW)]
_RAW = [math.exp(-((step / WINDOW_SIGMA) ** 2) / 2) for step in _STEPS]
_WEIGHTS = [weight / math.fsum(_RAW) for weight in _RAW]
C1, C2 = 0.01**2, 0.03**2


def psnr(a: Array, b: Array) -> float:
    """Peak signal-to-noise ratio of two arrays with values in [0, 1], in dB; inf if equal.

    >>> round(psnr(np.zeros(4), np.full(4, 0.1)), 6)
    20.0

    Raises:
        ValueError: Their shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"cannot compare {a.shape} with {b.shape}")
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return math.inf if error == 0 else -10 * math.log10(error)


def rgb_to_y(rgb: Array) -> Array:
    """Luma of BT.601 in studio range, as super-resolution is scored.

    Args:
        rgb: (H, W, 3) in [0, 1].

    Returns:
        (H, W) in [16 / 255, 235 / 255].
    """
    weights = np.array([65.481, 128.553, 24.966]) / 255
    return rgb.astype(np.float64) @ weights + 16 / 255


def ssim(a: Array, b: Array) -> float:
    """Mean structural similarity of (H, W) or (H, W, 3) in [0, 1]; channels are averaged.

    The window is a Gaussian of 11 x 11 pixels, sigma 1.5, and never leaves the picture.

    Raises:
        ValueError: The shapes differ, or a side is shorter than the window.
    """
    if a.shape != b.shape or min(a.shape[:2]) < WINDOW:
        raise ValueError(f"SSIM compares pictures of at least {WINDOW} pixels, not {a.shape}")
    x, y = (_planes(picture) for picture in (a, b))
    mean_x, mean_y, xx, yy, xy = _window_means(torch.cat((x, y, x * x, y * y, x * y))).chunk(5)
    variances = xx - mean_x**2 + yy - mean_y**2
    covariance = xy - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return float((luminance * (2 * covariance + C2) / (variances + C2)).mean())


def _planes(picture: Array) -> Tensor:
    planes = torch.from_numpy(np.ascontiguousarray(picture, dtype=np.float64))
    return planes[:, :, None].flatten(2).permute(2, 0, 1).contiguous()


def _window_means(planes: Tensor) -> Tensor:
    """Weighted means of every whole window: (P, H, W) to (P, H - 10, W - 10)."""
    for axis in (-1, -2):
        length = planes.shape[axis] - WINDOW + 1
        # Shifted sums: eight times as fast as torch's float64 convolution on a CPU.
        shifted = [planes.narrow(axis, step, length) for step in range(WINDOW)]
        planes = torch.zeros_like(shifted[0])
        for part, weight in zip(shifted, _WEIGHTS, strict=True):
            planes.add_(part, alpha=weight)
    return planes
