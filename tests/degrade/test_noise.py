import pytest
import torch
from scipy import stats
from torch import Tensor

from serpent_cli.degrade.noise import add_gaussian_noise, generator_for


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


def draw(name: str) -> Tensor:
    return torch.randn(4, generator=generator_for(name), dtype=torch.float64)


def test_a_file_name_decides_the_noise() -> None:
    assert torch.equal(draw("a.png"), draw("a.png"))
    assert not torch.equal(draw("a.png"), draw("b.png"))


def test_the_seed_of_a_name_is_the_same_anywhere() -> None:
    """Frozen: scores of different machines and versions are scores of the same pictures."""
    # printf kodim01.png | sha256sum, its first 16 digits halved
    assert generator_for("kodim01.png").initial_seed() == 6616029622928958203
