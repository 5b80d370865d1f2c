import io
import math

import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from serpent_cli.degrade.compress import jpeg, webp

Pixels = NDArray[np.uint8]


def to_tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def simulated(pixels: Pixels, quality: float, subsample: bool) -> Pixels:
    result = jpeg(to_tensor(pixels), torch.tensor([quality]), torch.tensor([subsample]))
    return (result[0] * 255).round().byte().permute(1, 2, 0).numpy()


def pillows(pixels: Pixels, quality: int, subsample: bool) -> Pixels:
    stream = io.BytesIO()
    image = Image.fromarray(pixels)
    image.save(stream, "JPEG", quality=quality, subsampling=2 if subsample else 0)
    return np.asarray(Image.open(stream))


def psnr(a: Pixels, b: Pixels) -> float:
    return -10 * math.log10(np.mean((a.astype(float) - b.astype(float)) ** 2) / 255**2)


@pytest.mark.parametrize("subsample", [False, True])
@pytest.mark.parametrize("quality", [30, 70, 85, 98])
@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_the_codec_of_pillow_loses_the_same(name: str, quality: int, subsample: bool) -> None:
    pixels = getattr(skimage.data, name)()[: 256 + 1, : 300 + 5]  # odd sizes: padded blocks
    real, ours = pillows(pixels, quality, subsample), simulated(pixels, quality, subsample)
    assert psnr(ours, real) > 46
    assert psnr(ours, pixels) == pytest.approx(psnr(real, pixels), abs=0.15)


def test_each_picture_has_its_own_quality_and_chroma(photos: Tensor) -> None:
    quality, subsample = torch.tensor([40.0, 90.0]), torch.tensor([True, False])
    together = jpeg(photos, quality, subsample)
    alone = [jpeg(photos[i : i + 1], quality[i : i + 1], subsample[i : i + 1]) for i in range(2)]
    assert torch.equal(together, torch.cat(alone))


def test_lower_quality_loses_more(photos: Tensor) -> None:
    halved = torch.tensor([True, True])
    coded = [jpeg(photos, torch.full((2,), q), halved) for q in (30.0, 60.0, 80.0, 95.0)]
    losses = [float((x - photos).square().mean()) for x in coded]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (8, 16), (17, 5)])
def test_any_size(size: tuple[int, int]) -> None:
    grey = torch.full((1, 3, *size), 100 / 255)
    result = jpeg(grey, torch.tensor([75.0]), torch.tensor([True]))
    assert result.shape == grey.shape
    assert float((result - grey).abs().max()) < 4.5 / 255  # one colour: only its level is rounded


def test_the_result_is_eight_bit(photos: Tensor) -> None:
    levels = jpeg(photos, torch.tensor([70.0, 90.0]), torch.tensor([True, False])) * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    assert float(levels.min()) >= 0 and float(levels.max()) <= 255


def test_webp_is_pillows_each_at_its_own_quality(photos: Tensor) -> None:
    coded = webp(photos, torch.tensor([20.0, 95.0]))
    assert tuple(coded.shape) == tuple(photos.shape) and coded.dtype == torch.float32
    torch.testing.assert_close(coded * 255, (coded * 255).round(), atol=1e-4, rtol=0)
    pairs = zip(coded, photos, strict=True)
    error = [-10 * math.log10(float((a - b).square().mean())) for a, b in pairs]
    assert 22 < error[0] < 33 < error[1] < 45, "low quality loses more, neither all"
