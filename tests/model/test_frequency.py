"""EVSSM's feed-forward against its equations, written once more in numpy and SciPy."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage, special

from serpent_cli.model.frequency import PATCH, FrequencyFeedForward

Array = NDArray[np.float64]


def randomised(width: int, ratio: float) -> FrequencyFeedForward:
    torch.manual_seed(4)
    module = FrequencyFeedForward(width, ratio).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.5)
    return module


def expected(module: FrequencyFeedForward, x: Array) -> Array:
    """EDFFN of one map (H, W, C), patch by patch."""
    weights = {name: p.detach().numpy() for name, p in module.named_parameters()}
    wide = x @ weights["project_in.weight"].T
    conv = [
        ndimage.correlate(wide[..., i], kernel[0], mode="constant")
        for i, kernel in enumerate(weights["conv.weight"])
    ]
    p, q = np.split(np.stack(conv, -1), 2, axis=-1)
    gelu = p * (1 + special.erf(p / np.sqrt(2))) / 2
    f = (gelu * q) @ weights["project_out.weight"].T
    h, w, _ = f.shape
    padded = np.pad(f, ((0, -h % PATCH), (0, -w % PATCH), (0, 0)), mode="reflect")
    result = np.empty_like(padded)
    for y in range(0, len(padded), PATCH):
        for left in range(0, padded.shape[1], PATCH):
            part = np.s_[y : y + PATCH, left : left + PATCH]
            spectrum = np.fft.rfft2(padded[part], axes=(0, 1))
            spectrum *= weights["mask"].transpose(1, 2, 0)
            result[part] = np.fft.irfft2(spectrum, s=(PATCH, PATCH), axes=(0, 1))
    return result[:h, :w]


@pytest.mark.parametrize("size", [(8, 16), (10, 9), (21, 13)])
def test_it_follows_its_equations(size: tuple[int, int]) -> None:
    module = randomised(4, 3.0)
    x = torch.randn(1, *size, 4, dtype=torch.float64)
    ours = module(x)[0].detach().numpy()
    np.testing.assert_allclose(ours, expected(module, x[0].numpy()), atol=1e-10)


def test_maps_smaller_than_their_patch_are_served() -> None:
    module = randomised(4, 2.0)
    for size in ((1, 1), (2, 3), (8, 1)):
        y = module(torch.randn(2, *size, 4, dtype=torch.float64))
        assert y.shape == (2, *size, 4) and y.isfinite().all()


def test_without_its_mask_it_is_a_gated_feed_forward() -> None:
    module = randomised(4, 2.0)
    torch.nn.init.ones_(module.mask)
    x = torch.randn(1, 8, 8, 4, dtype=torch.float64)
    p, q = module.conv(module.project_in(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).chunk(2, -1)
    wanted = module.project_out(torch.nn.functional.gelu(p) * q)
    torch.testing.assert_close(module(x), wanted)


def test_gradients_are_those_of_finite_differences() -> None:
    module = randomised(2, 1.0)
    x = torch.randn(1, 5, 9, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (x,), atol=1e-6)
