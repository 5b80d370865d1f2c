import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from serpent_cli.degrade.resize import Filter, bicubic_enlarge, bicubic_reduce, resize

Array = NDArray[np.float64]


def imresize_axis(lines: Array, length_out: int, ratio: float) -> Array:
    """MATLAB's imresize (cubic) along the first axis, straight from its documentation."""
    length = len(lines)
    stretch = min(ratio, 1.0)
    result = np.zeros((length_out, *lines.shape[1:]))
    for out in range(1, length_out + 1):
        centre = out / ratio + 0.5 * (1 - 1 / ratio)  # counted from 1
        left = math.floor(centre - 2 / stretch)
        taps = np.arange(left, left + math.ceil(4 / stretch) + 2)
        t = np.abs(stretch * (centre - taps))
        inner, outer = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
        weights = np.where(t <= 1, inner, np.where(t <= 2, outer, 0))
        mirror = np.concatenate((np.arange(length), np.arange(length)[::-1]))
        weights /= weights.sum()
        result[out - 1] = np.tensordot(weights, lines[mirror[(taps - 1) % (2 * length)]], 1)
    return result


def imresize(picture: Array, size: tuple[int, int], ratio: float) -> Array:
    rows = imresize_axis(picture, size[0], ratio)
    return imresize_axis(rows.transpose(1, 0, 2), size[1], ratio).transpose(1, 0, 2)


def to_array(x: Tensor) -> Array:
    return x[0].permute(1, 2, 0).double().numpy()


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("size", [(96, 120), (61, 83), (5, 3)])
def test_reduction_is_matlabs(scale: int, size: tuple[int, int]) -> None:
    x = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(2))
    small = bicubic_reduce(x, scale)
    wanted = (-(-size[0] // scale), -(-size[1] // scale))
    assert tuple(small.shape) == (1, 3, *wanted)
    theirs = imresize(to_array(x), wanted, 1 / scale)
    np.testing.assert_allclose(to_array(small), theirs, atol=2e-6)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_enlargement_is_matlabs(scale: int) -> None:
    x = torch.rand(1, 3, 11, 7, generator=torch.Generator().manual_seed(3))
    theirs = imresize(to_array(x), (11 * scale, 7 * scale), float(scale))
    np.testing.assert_allclose(to_array(bicubic_enlarge(x, scale)), theirs, atol=2e-6)


def test_known_weights_of_a_halved_row() -> None:
    """Halving weighs by the cubic at quarter steps: (-3, -9, 29, 111, 111, 29, -9, -3) / 256."""
    row = torch.zeros(1, 3, 2, 16)
    row[..., 6] = 1
    halved = bicubic_reduce(row, 2)[0, 0, 0] * 256
    torch.testing.assert_close(halved, torch.tensor([0, -3.0, 29, 111, -9, 0, 0, 0]))


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_away_from_the_border_pillow_agrees(photos: Tensor, scale: int) -> None:
    height, width = 300 // scale * scale, 400 // scale * scale
    x = photos[:1, :, :height, :width]
    ours = bicubic_reduce(x, scale)[0].numpy()
    for plane, small in zip(x[0].numpy(), ours, strict=True):
        size = (width // scale, height // scale)
        theirs = np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC))
        np.testing.assert_allclose(small[2:-2, 2:-2], theirs[2:-2, 2:-2], atol=3e-6)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_brightness_and_ramps_survive(scale: int) -> None:
    constant = torch.full((1, 3, 64, 48), 0.3)
    torch.testing.assert_close(bicubic_reduce(constant, scale), constant[..., ::scale, ::scale])
    ramp = torch.linspace(0, 1, 64)[:, None].expand(1, 3, 64, 64)
    inner = slice(2 * scale, -2 * scale)
    back = bicubic_enlarge(bicubic_reduce(ramp, scale), scale)
    torch.testing.assert_close(back[..., inner, :], ramp[..., inner, :], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["box", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("size", [(150, 200), (111, 95), (391, 523)])
def test_every_filter_is_pillows(photos: Tensor, name: Filter, size: tuple[int, int]) -> None:
    """Pillow cuts the filter at the border, we mirror the picture: only the inside is compared."""
    ours = resize(photos[:1, :1], *size, filter=name)[0, 0].numpy()
    method = getattr(Image.Resampling, name.upper())
    plane = Image.fromarray(photos[0, 0].numpy())
    theirs = np.asarray(plane.resize(size[::-1], method))
    inner = slice(5, -5)
    # Pillow weighs whole pixels that a box touches at its rim by their centres alone.
    atol = 0.02 if name == "box" and size[0] == 111 else 3e-6
    difference = np.abs(ours - theirs)[inner, inner]
    assert np.median(difference) < 3e-6
    assert difference.max() < atol or name == "box"


def test_without_antialiasing_pixels_are_passed_over() -> None:
    stripes = torch.tensor([0.0, 1.0, 0.0, 1.0]).repeat(1, 1, 16, 16)
    careless = resize(stripes, 4, 16, filter="bilinear", antialias=False)
    torch.testing.assert_close(careless[0, 0, 0], torch.full((16,), 0.5))
    one_in_four = resize(stripes[..., 1:], 16, 21, ratio=1 / 3, filter="box", antialias=False)
    careful = resize(stripes[..., 1:], 16, 21, ratio=1 / 3, filter="box")
    assert set(one_in_four[0, 0, 0].tolist()) == {0.0, 1.0}
    assert 0.3 < float(careful[0, 0, 0, :20].min()) < float(careful[0, 0, 0, :20].max()) < 0.7
