"""Draws the example pictures: python examples/render.py [FOLDER], by default beside this script.

sharp.png is the scene, blurred.png the same behind a Gaussian blur (sigma 1.6 pixels) with noise of
1/255, small.png the scene reduced to an eighth by an antialiased bicubic.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scene import FINE, draw_scene

from serpent_cli.degrade.blur import gaussian_blur
from serpent_cli.degrade.draws import generator_for
from serpent_cli.degrade.noise import add_gaussian_noise
from serpent_cli.degrade.resize import bicubic_reduce

SIGMA, NOISE, SCALE = 1.6, 1 / 255, 8


def render() -> dict[str, NDArray[np.uint8]]:
    """Every picture by file name, (H, W, 3)."""
    fine = torch.from_numpy(np.array(draw_scene())).permute(2, 0, 1)[None].float() / 255
    sharp = torch.from_numpy(_rounded(bicubic_reduce(fine, FINE))).permute(2, 0, 1)[None] / 255
    noise = generator_for("blurred.png")
    blurred = add_gaussian_noise(gaussian_blur(sharp, SIGMA), NOISE, noise)
    pictures = {"sharp.png": sharp, "blurred.png": blurred}
    pictures["small.png"] = bicubic_reduce(sharp, SCALE)
    return {name: _rounded(picture) for name, picture in pictures.items()}


def _rounded(x: torch.Tensor) -> NDArray[np.uint8]:
    return (x.clamp(0, 1) * 255).round().byte()[0].permute(1, 2, 0).contiguous().numpy()


def main() -> None:
    """Write every picture as PNG."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, pixels in render().items():
        Image.fromarray(pixels).save(folder / name, optimize=True)
        print(folder / name)


if __name__ == "__main__":
    main()
