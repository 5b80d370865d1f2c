"""What codecs lose. JPEG, batched: colours, chroma subsampling, DCT, quantisation, and back.

ITU-T T.81 (tables of Annex K, scaled as the Independent JPEG Group does) in a JFIF frame. Entropy
coding loses nothing and is left out. WebP by Pillow, picture by picture.
"""

import functools
import io
import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

# Annex K, tables K.1 and K.2, row by row.
_LUMA = """
16 11 10 16 24 40 51 61  12 12 14 19 26 58 60 55  14 13 16 24 40 57 69 56  14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77  24 35 55 64 81 104 113 92  49 64 78 87 103 121 120 101
72 92 95 98 112 100 103 99
"""
_CHROMA = """
17 18 24 47 99 99 99 99  18 21 26 66 99 99 99 99  24 26 56 99 99 99 99 99  47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99
"""
# JFIF: rows Y, Cb, Cr of RGB, and back.
_COLOURS = {
    "ycc": ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312)),
    "rgb": ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0)),
}

TIE = 1e-5  # fp32's error of a coefficient: a tie is not missed by less


@functools.cache
def _constant(name: str, device: torch.device) -> Tensor:
    """A table on a device: copied there once, for a copy makes the host wait."""
    if name in _COLOURS:
        return torch.tensor(_COLOURS[name], device=device)
    if name == "dct":  # orthonormal DCT-II
        n = torch.arange(8, dtype=torch.float64)
        basis = torch.cos((2 * n + 1) * n[:, None] * math.pi / 16) / 2
        basis[0] /= math.sqrt(2)
        return basis.float().to(device)
    table = {"luma": _LUMA, "chroma": _CHROMA}[name]
    return torch.tensor([float(v) for v in table.split()], device=device).view(8, 8)


def _quantise(planes: Tensor, table: str, quality: Tensor) -> Tensor:
    """Quantise (B, P, H, W), whole numbers about 0, by the 8 x 8 DCT; (B) qualities."""
    height, width = planes.shape[-2:]
    padded = functional.pad(planes, (0, -width % 8, 0, -height % 8), mode="replicate")
    blocks = padded.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8)).transpose(-2, -3)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).view(-1, 1, 1, 1, 1, 1)
    steps = ((_constant(table, planes.device) * scale + 50) / 100).floor().clamp(1, 255)
    dct = _constant("dct", planes.device)
    scaled = dct @ blocks @ dct.T / steps
    # Ties go away from zero; they are common (the mean of a block is a multiple of 1/8).
    coefficients = scaled.sign() * (scaled.abs() + (0.5 + TIE)).floor() * steps
    back = (dct.T @ coefficients @ dct).transpose(-2, -3)
    return back.flatten(-2).flatten(-3, -2)[..., :height, :width].round().clamp(-128, 127)


def _halved(planes: Tensor) -> Tensor:
    """Means of 2 x 2 pixels, rounded; ties go down and up in turn, as libjpeg's do."""
    means = functional.avg_pool2d(planes, 2, ceil_mode=True)
    odd = torch.arange(means.shape[-1], device=means.device) % 2
    return (means + 0.25 + 0.25 * odd).floor()


def _doubled(planes: Tensor, height: int, width: int) -> Tensor:
    """The inverse with weights 3/4 and 1/4 per axis ("fancy" upsampling), cut to size."""
    grown = functional.interpolate(planes, scale_factor=2, mode="bilinear", align_corners=False)
    return grown[..., :height, :width].round()


def jpeg(x: Tensor, quality: Tensor, subsample: Tensor) -> Tensor:
    """What (B, 3, H, W) in [0, 1] looks like after JPEG.

    Within 47 dB of what libjpeg-turbo makes of photographs, at qualities from 30 to 98: codecs keep
    whole numbers between their stages, and so does this.

    Args:
        x: Pictures; rounded to 8 bits first, as a codec gets them.
        quality: (B), the codec's 1 to 100.
        subsample: (B), bool; chroma at half the resolution (4:2:0).

    Returns:
        (B, 3, H, W) in [0, 1], rounded to 8 bits.
    """
    height, width = x.shape[-2:]
    levels = (x.clamp(0, 1) * 255).round()
    ycc = torch.einsum("ij,bjhw->bihw", _constant("ycc", x.device), levels).round()
    luma = _quantise(ycc[:, :1] - 128, "luma", quality) + 128
    full = _quantise(ycc[:, 1:], "chroma", quality)
    grown = _doubled(_quantise(_halved(ycc[:, 1:]), "chroma", quality), height, width)
    chroma = torch.where(subsample.view(-1, 1, 1, 1), grown, full)
    rgb = torch.einsum("ij,bjhw->bihw", _constant("rgb", x.device), torch.cat((luma, chroma), 1))
    return rgb.round().clamp(0, 255) / 255


def webp(x: Tensor, quality: Tensor) -> Tensor:
    """What (B, 3, H, W) in [0, 1] looks like after lossy WebP; through the host's memory.

    Args:
        x: Pictures; rounded to 8 bits first.
        quality: (B), the codec's 0 to 100.

    Returns:
        (B, 3, H, W) in [0, 1], rounded to 8 bits.
    """
    levels = (x.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    coded = [_webp(levels[i], round(float(quality[i]))) for i in range(len(levels))]
    return torch.from_numpy(np.stack(coded)).permute(0, 3, 1, 2).to(x.device).float() / 255


def _webp(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "webp", quality=quality, method=0)
    with Image.open(file) as picture:
        return np.array(picture.convert("RGB"))
