"""How wide a picture's sharpest edges are: a sign of blur that noise and codecs hardly disturb.

At each of the steepest places of luma, the contrast around it over the slope there is the width of
the edge in pixels. Sharp photographs have edges of 2 to 5 pixels by this measure, with noise and
compression too; strong blur makes nearly all wider than 5.5, slight blur or a sharp part need not:
python -m bench edges --photos DIR.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from serpent_cli.imaging.colour import to_unit
from serpent_cli.imaging.picture import Samples

BLURRED = 5.5
"""Width in pixels from which on a picture may be called blurred; less does not make it sharp."""

STEEP = 0.01  # share of the pixels that count as the steepest
CONTRAST = 0.15  # of full scale: less is no edge
REACH = 7  # pixels on each side in which contrast is sought
LEAST = 64  # steep places that make a statement
ROWS = 512  # rows that are looked at together
LUMA = np.array((0.299, 0.587, 0.114), np.float32)
SMOOTH = 0.7  # sigma of the Gaussian before slopes are taken, which noise would make


def edge_width(pixels: Samples) -> float | None:
    """Median width in pixels of the sharpest edges; None if there are hardly any.

    Args:
        pixels: (H, W, 3) of any depth.
    """
    height, width = pixels.shape[:2]
    halo = REACH + 4
    slopes: list[Tensor] = []
    widths: list[Tensor] = []
    for top in range(0, height, ROWS):
        start, stop = max(0, top - halo), min(height, top + ROWS + halo)
        luma = torch.from_numpy(to_unit(pixels[start:stop]) @ LUMA)
        kept = slice(top - start, min(height, top + ROWS) - start)
        slope, contrast = (each[kept].flatten() for each in _slope_and_contrast(luma))
        # Steep places of the picture are among those of its bands; few bands have four times more.
        count = math.ceil(min(1.0, 4 * STEEP) * len(slope))
        steep, index = slope.topk(count)
        slopes.append(steep)
        widths.append(
            (contrast[index] / steep.clamp_min(1e-6)).where(contrast[index] > CONTRAST, torch.nan)
        )
    steep = torch.cat(slopes).topk(math.ceil(STEEP * height * width)).indices
    found = torch.cat(widths)[steep]
    found = found[~found.isnan()]
    return float(found.median()) if len(found) >= LEAST else None


def _slope_and_contrast(luma: Tensor) -> tuple[Tensor, Tensor]:
    """Of (H, W): the steepness at each pixel, per pixel, and the range of values around it."""
    offsets = torch.arange(-3, 4, dtype=torch.float32)
    weights = torch.exp(-((offsets / SMOOTH) ** 2) / 2)
    weights /= weights.sum()
    x = functional.pad(luma[None, None], (3, 3, 3, 3), mode="replicate")
    x = functional.conv2d(functional.conv2d(x, weights.view(1, 1, 7, 1)), weights.view(1, 1, 1, 7))
    around = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    down = (around[..., 2:, 1:-1] - around[..., :-2, 1:-1]) / 2
    right = (around[..., 1:-1, 2:] - around[..., 1:-1, :-2]) / 2
    return torch.hypot(down, right)[0, 0], (_most(x) + _most(-x))[0, 0]


def _most(x: Tensor) -> Tensor:
    """The largest value within `REACH` pixels along both axes."""
    for size in ((2 * REACH + 1, 1), (1, 2 * REACH + 1)):
        x = functional.max_pool2d(x, size, 1, (size[0] // 2, size[1] // 2))
    return x
