"""Picture quality as the field reports it: PSNR, and luma of BT.601."""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def psnr(a: Array, b: Array) -> float:
    """Peak signal-to-noise ratio of two arrays with values in [0, 1], in dB; inf if equal.

    >>> round(psnr(np.zeros(4), np.full(4, 0.1)), 6)
    20.0
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
