import math
from typing import Any

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image
from skimage import color, metrics

from serpent_cli.evaluation.metrics import (
    SimilarityTo,
    psnr,
    reduced_rms,
    rgb_to_y,
    ssim,
    windows_inside,
)

Array = NDArray[np.floating]


@pytest.fixture(scope="module")
def pair() -> tuple[Array, Array]:
    """A photograph (230, 301, 3) and a noisy, paler copy of it."""
    sharp = skimage.data.coffee()[:230, :301] / 255
    noise = np.random.default_rng(5).normal(0, 0.04, sharp.shape)
    return sharp, np.clip(0.9 * sharp + 0.03 + noise, 0, 1)


def test_psnr_is_scikit_images(pair: tuple[Array, Array]) -> None:
    theirs = metrics.peak_signal_noise_ratio(*pair, data_range=1.0)
    assert psnr(*pair) == pytest.approx(theirs, abs=1e-5)


def test_psnr_of_known_errors() -> None:
    black = np.zeros((4, 4, 3))
    assert psnr(black, black) == math.inf
    assert psnr(black, black + 1) == 0
    assert psnr(black.astype(np.float32), np.full((4, 4, 3), 1 / 255)) == pytest.approx(48.1308036)


@pytest.fixture
def reduced() -> tuple[Array, Array]:
    """A photograph in an even frame, and its reduction by 4 by Pillow's bicubic filter."""
    large = np.full((112, 160, 3), 0.5)
    large[16:-16, 16:-16] = skimage.data.coffee()[100:180, 200:328] / 255
    planes = [Image.fromarray(large[..., i].astype(np.float32)) for i in range(3)]
    small = [np.asarray(x.resize((40, 28), Image.Resampling.BICUBIC)) for x in planes]
    return large, np.stack(small, axis=-1).astype(np.float64)


def test_a_picture_agrees_with_what_pillow_reduces_it_to(reduced: tuple[Array, Array]) -> None:
    assert reduced_rms(*reduced) < 1e-3


def test_a_change_of_colour_counts_in_full(reduced: tuple[Array, Array]) -> None:
    large, small = reduced
    assert reduced_rms(large + 3 / 255, small) == pytest.approx(3, abs=1e-3)
    large[..., 1] -= 6 / 255  # of one channel of three: 6 / sqrt(3)
    assert reduced_rms(large, small) == pytest.approx(6 / math.sqrt(3), abs=1e-3)


def test_invented_texture_hardly_counts(reduced: tuple[Array, Array]) -> None:
    large, small = reduced
    rows, columns = np.indices(large.shape[:2])
    large += 20 / 255 * (-1.0) ** (rows + columns)[..., None]
    assert reduced_rms(large, small) < 0.2


def test_luma_is_scikit_images(pair: tuple[Array, Array]) -> None:
    theirs = color.rgb2ycbcr(pair[0])[..., 0]
    np.testing.assert_allclose(rgb_to_y(pair[0]) * 255, theirs, atol=1e-9)


def test_luma_has_studio_range() -> None:
    levels = rgb_to_y(np.array([[[0.0, 0, 0], [1, 1, 1]]])) * 255
    np.testing.assert_allclose(levels, [[16, 235]], atol=1e-9)


def theirs_ssim(a: Array, b: Array) -> float:
    value: Any = metrics.structural_similarity(
        a, b, data_range=1.0, channel_axis=2 if a.ndim == 3 else None,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    return float(value)


def test_ssim_is_scikit_images(pair: tuple[Array, Array]) -> None:
    """Whole windows only; fp32 costs the last digits."""
    assert ssim(*pair) == pytest.approx(theirs_ssim(*pair), abs=1e-5)
    luma = rgb_to_y(pair[0]), rgb_to_y(pair[1])
    assert ssim(*luma) == pytest.approx(theirs_ssim(*luma), abs=1e-5)


def test_the_map_of_ssim_is_scikit_images(pair: tuple[Array, Array]) -> None:
    """Window by window, in fp32 against float64."""
    _, full = metrics.structural_similarity(
        *pair, data_range=1.0, channel_axis=2, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    theirs = full[5:-5, 5:-5].mean(2)
    np.testing.assert_allclose(SimilarityTo(pair[1]).map(pair[0]), theirs, atol=2e-4)


def test_ssim_of_the_smallest_and_the_same(pair: tuple[Array, Array]) -> None:
    small = pair[0][:11, :11], pair[1][:11, :11]
    assert ssim(*small) == pytest.approx(theirs_ssim(*small), abs=1e-5)
    assert ssim(pair[0], pair[0]) == pytest.approx(1)


def test_the_map_in_a_part_is_ssim_of_that_part_alone(pair: tuple[Array, Array]) -> None:
    inside = np.zeros((230, 301), bool)
    inside[20:90, 40:161] = True
    cut = [x[20:90, 40:161] for x in pair]
    windows = windows_inside(inside)
    similarity = SimilarityTo(pair[1]).map(pair[0])
    assert windows.shape == similarity.shape == (220, 291)
    assert windows.sum() == 60 * 111
    assert float(similarity[windows].mean()) == pytest.approx(theirs_ssim(*cut), abs=1e-5)
    around = windows_inside(~inside)
    assert around.sum() == 220 * 291 - 80 * 131, "no window touches the part"


def test_what_cannot_be_compared_is_refused(pair: tuple[Array, Array]) -> None:
    with pytest.raises(ValueError, match="cannot compare"):
        psnr(pair[0], pair[1][:-1])
    with pytest.raises(ValueError, match="at least 11 pixels"):
        ssim(pair[0][:10], pair[1][:10])
