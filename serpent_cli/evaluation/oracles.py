"""Classical deconvolution that is told the true kernel: what no user has, and a net must beat.

Wiener: Orieux, Giovannelli, Rodet, "Bayesian estimation of regularization and point spread function
parameters for Wiener-Hunt deconvolution", JOSA A 27, 2010. Richardson-Lucy: Richardson 1972, Lucy
1974. Both by scikit-image, each channel for itself, on pictures reflected at the border by half a
kernel (4 sigma of a Gaussian) and cut back.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from skimage import restoration

from serpent_cli.evaluation.metrics import Array, psnr

BALANCES = tuple(10 ** (half / 2) for half in range(-6, 1))
ITERATIONS = (3, 10, 30, 50)
Planes = NDArray[np.float32]


def wiener(given: Array, kernel: Planes, balance: float) -> Array:
    """Deconvolve by the Wiener filter with a Laplacian prior.

    Args:
        given: (H, W, 3) in [0, 1].
        kernel: (k, k), k odd, with sum 1.
        balance: Weight of the prior; more is smoother.

    Returns:
        (H, W, 3), float32, clipped to [0, 1].
    """
    return _by_channel(restoration.wiener, given, kernel, balance)


def richardson_lucy(given: Array, kernel: Planes, iterations: int) -> Array:
    """Deconvolve by Richardson-Lucy iterations; arguments and result as in `wiener`."""
    return _by_channel(restoration.richardson_lucy, given, kernel, iterations)


def _by_channel(
    method: Callable[..., Any], given: Array, kernel: Planes, parameter: float
) -> Planes:
    height, width = given.shape[:2]
    half = kernel.shape[-1] // 2
    # Lengths that transform fast; what is added lies beyond the border and is cut off again.
    after = [
        scipy.fft.next_fast_len(side + 2 * half, real=True) - side - half
        for side in (height, width)
    ]
    around = [(half, after[0]), (half, after[1]), (0, 0)]
    padded = np.pad(given.astype(np.float32), around, mode="reflect")
    planes = [np.ascontiguousarray(padded[..., channel]) for channel in range(3)]
    with ThreadPoolExecutor(3) as pool:
        done: list[Planes] = list(pool.map(method, planes, [kernel] * 3, [parameter] * 3))
    restored = np.stack(done, axis=-1)
    return restored[half : half + height, half : half + width].clip(0, 1)


def oracle_scores(
    given: Array, truth: Array, kernel: Planes
) -> tuple[dict[float, float], dict[int, float]]:
    """PSNR in dB by `balance` of the Wiener filter, and by iterations of Richardson-Lucy."""
    by_balance = {x: psnr(wiener(given, kernel, x), truth) for x in BALANCES}
    by_iterations = {n: psnr(richardson_lucy(given, kernel, n), truth) for n in ITERATIONS}
    return by_balance, by_iterations
