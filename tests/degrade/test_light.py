import pytest
import torch
from torch import Tensor

from serpent_cli.degrade.light import brighten_highlights, to_linear, to_srgb


def test_known_values_of_srgb() -> None:
    """IEC 61966-2-1: the straight part, half, and an eighth of the way to black."""
    x = torch.tensor([0.0, 0.04, 0.5, 128 / 255, 1.0])
    wanted = torch.tensor([0.0, 0.04 / 12.92, 0.214041, 0.215861, 1.0])
    torch.testing.assert_close(to_linear(x), wanted, atol=1e-6, rtol=0)


def test_there_and_back(photos: Tensor) -> None:
    torch.testing.assert_close(to_srgb(to_linear(photos)), photos, atol=2e-6, rtol=0)
    torch.testing.assert_close(to_srgb(torch.tensor([-0.2, 7.0])), torch.tensor([0.0, 1.0]))


def test_only_what_is_nearly_white_shines(photos: Tensor) -> None:
    light = to_linear(photos)
    shining = brighten_highlights(light, torch.tensor([1.0, 6.0]))
    torch.testing.assert_close(shining[0], light[0])
    dark = light[1].amin(0) < 0.75
    assert torch.equal(shining[1][:, dark], light[1][:, dark])
    white = brighten_highlights(torch.ones(1, 3, 2, 2), torch.tensor([6.0]))
    assert float(white.max()) == pytest.approx(6.0)
