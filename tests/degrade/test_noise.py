import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from serpent_cli.degrade.noise import (
    MIDDLE_GREY,
    add_gaussian_noise,
    sensor_noise,
)


def test_noise_is_gaussian_and_as_strong_as_asked(generator: torch.Generator) -> None:
    x = torch.full((3, 3, 64, 64), 0.5)
    std = torch.tensor([0.0, 0.01, 0.05])
    noise = add_gaussian_noise(x, std, generator) - x
    assert torch.equal(noise[0], torch.zeros_like(noise[0]))
    for sample, level in zip(noise[1:], std[1:].tolist(), strict=True):
        test = stats.kstest(sample.flatten().double().numpy() / level, "norm")
        assert test.statistic < 0.02  # the largest gap between the two distributions
        assert float(sample.std()) == pytest.approx(level, rel=0.03)


def test_pixels_and_channels_are_independent(generator: torch.Generator) -> None:
    noise = add_gaussian_noise(torch.zeros(1, 3, 100, 100), 1.0, generator)[0]
    channels = torch.corrcoef(noise.flatten(1))
    neighbours = torch.corrcoef(
        torch.stack((noise[0, :, 1:].flatten(), noise[0, :, :-1].flatten()))
    )
    assert float((channels - torch.eye(3)).abs().max()) < 0.04
    assert abs(float(neighbours[0, 1])) < 0.04


def sensed(light: float, generator: torch.Generator, **changes: float) -> Tensor:
    """Noise of a sensor on an even light, (3, 200, 200), of standard deviation 0.01 at grey."""
    values = {"std": 0.01, "shot": 0.0, "grain": 0.0, "tint": 0.0, **changes}
    each = (torch.tensor([values[name]]) for name in ("std", "shot", "grain", "tint"))
    x = torch.full((1, 3, 200, 200), light)
    return (sensor_noise(x, *each, generator) - x)[0]


@pytest.mark.parametrize("light", [0.0, MIDDLE_GREY, 1.0])
@pytest.mark.parametrize("shot", [0.0, 0.5, 1.0])
def test_photons_add_variance_with_the_light(
    light: float, shot: float, generator: torch.Generator
) -> None:
    variance = 1e-4 * (1 - shot + shot * light / MIDDLE_GREY)
    noise = sensed(light, generator, shot=shot)
    assert float(noise.var()) == pytest.approx(variance, rel=0.03, abs=1e-12)


@pytest.mark.parametrize("grain", [0.0, 0.5, 0.9])
def test_grain_is_shared_by_neighbours_at_the_same_strength(
    grain: float, generator: torch.Generator
) -> None:
    noise = sensed(0.5, generator, grain=grain)
    assert float(noise.std()) == pytest.approx(0.01, rel=0.03)
    step = math.exp(-0.5 / max(grain, 1e-3) ** 2)
    wanted = 2 * step / (1 + 2 * step**2)  # the autocorrelation of (step, 1, step) at one pixel
    pair = torch.stack((noise[:, :, 1:].flatten(), noise[:, :, :-1].flatten()))
    assert float(torch.corrcoef(pair)[0, 1]) == pytest.approx(wanted, abs=0.02)


def test_colours_share_as_much_as_asked(generator: torch.Generator) -> None:
    noise = sensed(0.5, generator, tint=0.4)
    shared = torch.corrcoef(noise.flatten(1))
    torch.testing.assert_close(shared, torch.eye(3) * 0.6 + 0.4, atol=0.03, rtol=0)
    assert float(noise.std()) == pytest.approx(0.01, rel=0.03)
