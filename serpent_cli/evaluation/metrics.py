"""Picture quality as the field reports it: PSNR and SSIM by torchmetrics, and luma of BT.601.

SSIM: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
structural similarity", IEEE TIP 2004, equation 13, with the paper's window and constants.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

Array = NDArray[np.floating]

WINDOW = 11  # pixels; torchmetrics makes it of sigma 1.5, 3.5 standard deviations to each side


def psnr(a: Array, b: Array) -> float:
    """Peak signal-to-noise ratio of two arrays with values in [0, 1], in dB; inf if equal.

    >>> round(psnr(np.zeros(4), np.full(4, 0.1)), 6)
    20.0

    Raises:
        ValueError: Their shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"cannot compare {a.shape} with {b.shape}")
    x, y = (torch.from_numpy(np.asarray(values, np.float64)) for values in (a, b))
    return float(peak_signal_noise_ratio(x, y, data_range=1.0))


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

    Raises:
        ValueError: The shapes differ, or a side is shorter than the window.
    """
    return float(ssim_map(a, b).mean())


def ssim_map(a: Array, b: Array) -> Array:
    """Structural similarity of the windows that lie wholly inside the picture.

    The window is a Gaussian of 11 x 11 pixels, sigma 1.5. In fp32, good to about 1e-5: sixteen
    times as fast as fp64.

    Args:
        a: (H, W) or (H, W, 3) in [0, 1].
        b: The same shape; swapping them changes nothing.

    Returns:
        (H - 10, W - 10), mean of the channels; at [i, j] the window whose corner is there.

    Raises:
        ValueError: The shapes differ, or a side is shorter than the window.
    """
    if a.shape != b.shape or min(a.shape[:2]) < WINDOW:
        raise ValueError(f"SSIM compares pictures of at least {WINDOW} pixels, not {a.shape}")
    both = structural_similarity_index_measure(
        _planes(a), _planes(b), sigma=1.5, data_range=1.0, return_full_image=True
    )
    # The library's own mean counts windows that reach into a reflected border, too.
    whole, margin = both[1], WINDOW // 2
    return whole[0, :, margin:-margin, margin:-margin].double().mean(0).numpy()


def windows_inside(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which windows of `ssim_map` lie wholly inside a mask (H, W): (H - 10, W - 10).

    >>> int(windows_inside(np.arange(12 * 20).reshape(12, 20) % 20 < 12).sum())
    4
    """
    outside = torch.from_numpy(~mask)[None, None].float()
    return functional.max_pool2d(outside, WINDOW, 1)[0, 0].numpy() == 0


def _planes(picture: Array) -> Tensor:
    """(H, W) or (H, W, 3) as (1, C, H, W)."""
    planes = torch.from_numpy(np.ascontiguousarray(picture, dtype=np.float32))
    return planes[:, :, None].flatten(2).permute(2, 0, 1)[None].contiguous()
