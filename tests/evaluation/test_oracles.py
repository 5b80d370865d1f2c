"""scikit-image is trusted; how it is asked is proved by what is known in closed form."""

import math

import numpy as np
import pytest
import skimage.data
import torch
from scipy import ndimage

from serpent_cli.degrade.blur import apply_kernels
from serpent_cli.evaluation.cases import Case
from serpent_cli.evaluation.metrics import psnr
from serpent_cli.evaluation.oracles import (
    BALANCES,
    ITERATIONS,
    oracle_scores,
    richardson_lucy,
    wiener,
)


def gaussian(sigma: float) -> np.ndarray:
    kernel = Case("", sigma=sigma).kernel("")
    assert kernel is not None
    return kernel[0].numpy()


@pytest.fixture(scope="module")
def sharp() -> np.ndarray:
    return skimage.data.coffee()[60:157, 100:231] / 255


def blurred(sharp: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    x = torch.from_numpy(sharp).permute(2, 0, 1)[None].float()
    return apply_kernels(x, torch.from_numpy(kernel)[None])[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("balance", [0.001, 0.1, 1.0])
@pytest.mark.parametrize("period", [4, 12])
def test_a_wave_is_amplified_by_the_wiener_filters_gain(period: int, balance: float) -> None:
    """A reflected cosine stays one; its gain is H / (H^2 + balance (2 - 2 cos w)^2)."""
    kernel, frequency = gaussian(1.2), 2 * math.pi / period
    wave = np.cos(frequency * np.arange(121.0))
    given = np.broadcast_to(0.5 + 0.05 * wave[None, :, None], (61, 121, 3))
    reach = kernel.shape[0] // 2
    response = float(kernel.sum(0) @ np.cos(frequency * np.arange(-reach, reach + 1)))
    gain = response / (response**2 + balance * (2 - 2 * math.cos(frequency)) ** 2)
    restored = wiener(given, kernel, balance)[:, 40:-40]
    wanted = (0.5 + gain * (given - 0.5))[:, 40:-40]
    np.testing.assert_allclose(restored, wanted, atol=2e-4)


def test_one_iteration_of_richardson_lucy_is_as_written(sharp: np.ndarray) -> None:
    """0.5 * (y / 0.5) * kernel, inside the frame and at its border: reflection, not zeros."""
    kernel = gaussian(1.0)
    wanted = ndimage.correlate(sharp, kernel[..., None], mode="mirror")
    ours = richardson_lucy(sharp, kernel, 1)
    inner = slice(4, -4)
    np.testing.assert_allclose(ours[inner, inner], wanted[inner, inner], atol=1e-5)
    assert psnr(ours, wanted) > 30, "nothing dark at the border"


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_kernel_is_neither_shifted_nor_mirrored(sharp: np.ndarray, mirrored: bool) -> None:
    """A lopsided blur without noise is undone by its own kernel, and not by the mirrored one."""
    kernel = np.zeros((9, 9), np.float32)
    kernel[4, 4:8], kernel[5:8, 4] = (0.4, 0.15, 0.1, 0.05), (0.15, 0.1, 0.05)
    given = blurred(sharp, kernel)
    told = kernel[::-1, ::-1].copy() if mirrored else kernel
    before = psnr(given, sharp)
    gains = [
        psnr(restored, sharp) - before
        for restored in (wiener(given, told, 0.001), richardson_lucy(given, told, 30))
    ]
    assert max(gains) < 0 if mirrored else min(gains) > 5


def test_results_keep_the_frame_and_the_range(sharp: np.ndarray) -> None:
    kernel = gaussian(2.4)
    for method, parameter in ((wiener, 0.001), (richardson_lucy, 3)):
        restored = method(blurred(sharp, kernel), kernel, parameter)
        assert restored.shape == sharp.shape
        assert 0 <= restored.min() <= restored.max() <= 1


def test_every_parameter_is_scored_on_its_own(sharp: np.ndarray) -> None:
    """Noise wants more prior and fewer iterations than none."""
    kernel = gaussian(1.6)
    clean = blurred(sharp, kernel)
    noisy = clean + np.random.default_rng(1).normal(0, 8 / 255, clean.shape)
    best: list[tuple[float, int]] = []
    for given in (clean, noisy):
        by_balance, by_iterations = oracle_scores(given, sharp, kernel)
        assert (
            tuple(by_balance)
            == BALANCES
            == pytest.approx((0.001, 0.00316228, 0.01, 0.0316228, 0.1, 0.316228, 1), rel=1e-5)
        )
        assert tuple(by_iterations) == ITERATIONS == (3, 10, 30, 50)
        assert by_balance[0.01] == psnr(wiener(given, kernel, 0.01), sharp)
        assert by_iterations[10] == psnr(richardson_lucy(given, kernel, 10), sharp)
        best.append(
            (max(by_balance, key=by_balance.__getitem__),
             max(by_iterations, key=by_iterations.__getitem__))
        )  # fmt: skip
    assert best[0] == (0.001, 50)
    assert best[1][0] > 0.01 and best[1][1] < 50
