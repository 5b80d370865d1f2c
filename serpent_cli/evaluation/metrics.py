"""Picture quality as the field reports it: PSNR by torchmetrics, SSIM, and luma of BT.601.

SSIM: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
structural similarity", IEEE TIP 2004, equation 13, with the paper's window and constants.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from serpent_cli.degrade.resize import bicubic_reduce

Array = NDArray[np.floating]

WINDOW = 11  # pixels
_SIGMA = 1.5
_HALF = [math.exp(-((step / _SIGMA) ** 2) / 2) for step in range(WINDOW // 2 + 1)]
_WEIGHTS = [weight / (2 * sum(_HALF) - _HALF[0]) for weight in _HALF]  # from the middle outwards
_C1, _C2 = 0.01**2, 0.03**2


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


def reduced_rms(large: Array, small: Array) -> float:
    """How far an enlargement is from what it was made of: 0 if only fine detail was added.

    Args:
        large: (H, W, 3) in [0, 1]; H = s·h, W = s·w.
        small: (h, w, 3) in [0, 1], of which `large` is an enlargement.

    Returns:
        Root mean square difference of all samples of the bicubic reduction of `large` from
        `small`, in 1/255.
    """
    x = torch.from_numpy(np.asarray(large, np.float64)).permute(2, 0, 1)[None]
    reduced = bicubic_reduce(x, large.shape[0] // small.shape[0])[0].permute(1, 2, 0).numpy()
    return float(np.sqrt(np.square(reduced - small).mean()) * 255)


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
    return float(SimilarityTo(b).map(a).mean())


class SimilarityTo:
    """Structural similarity of pictures to one truth, whose local means are taken once.

    The window is a Gaussian of 11 x 11 pixels, sigma 1.5, applied along one axis after the other,
    and never leaves the picture. In fp32, good to about 1e-5.

    Args:
        truth: (H, W) or (H, W, 3) in [0, 1].
    """

    def __init__(self, truth: Array) -> None:
        self._shape, self._truth = truth.shape, _planes(truth)
        if min(truth.shape[:2]) >= WINDOW:
            self._mean, self._square = _windows(self._truth), _windows(self._truth**2)

    def map(self, picture: Array) -> Array:
        """Similarity of each window: (H - 10, W - 10), mean of the channels.

        Args:
            picture: Of the truth's shape.

        Raises:
            ValueError: The shapes differ, or a side is shorter than the window.
        """
        if picture.shape != self._shape or min(self._shape[:2]) < WINDOW:
            raise ValueError(
                f"SSIM compares pictures of at least {WINDOW} pixels, not {picture.shape}"
            )
        x, mean = _planes(picture), self._mean
        own = _windows(x)
        product, squares = own * mean, own**2 + mean**2
        covariance = _windows(x * self._truth) - product
        variances = _windows(x**2) + self._square - squares
        ratio = (2 * product + _C1) * (2 * covariance + _C2)
        ratio /= (squares + _C1) * (variances + _C2)
        return ratio.double().mean(0).numpy()


def _windows(planes: Tensor) -> Tensor:
    """Weighted means of (C, H, W) over the windows that lie wholly inside: (C, H - 10, W - 10)."""
    for axis in (-1, -2):
        count, half = planes.shape[axis] - WINDOW + 1, WINDOW // 2
        total = planes.narrow(axis, half, count) * _WEIGHTS[0]
        for offset in range(1, half + 1):
            for start in (half - offset, half + offset):
                total.add_(planes.narrow(axis, start, count), alpha=_WEIGHTS[offset])
        planes = total
    return planes


def windows_inside(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which windows of a map of SSIM lie wholly inside a mask (H, W): (H - 10, W - 10).

    >>> int(windows_inside(np.arange(12 * 20).reshape(12, 20) % 20 < 12).sum())
    4
    """
    outside = np.pad(~mask, ((1, 0), (1, 0))).cumsum(0, np.int32).cumsum(1, np.int32)
    rows = outside[WINDOW:] - outside[:-WINDOW]
    return rows[:, WINDOW:] == rows[:, :-WINDOW]


def _planes(picture: Array) -> Tensor:
    """(H, W) or (H, W, 3) as (C, H, W)."""
    planes = torch.from_numpy(np.ascontiguousarray(picture, dtype=np.float32))
    return planes[:, :, None].flatten(2).permute(2, 0, 1).contiguous()
