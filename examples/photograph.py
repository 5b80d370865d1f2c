"""Draw docs/photograph.png: a photograph that is out of focus on its left, restored, and as it was.

The photograph is NASA's portrait of Eileen Collins, in the public domain; scikit-image brings it.
Run after `pip install '.[eval]'`: python examples/photograph.py
"""

from pathlib import Path

import numpy as np
import skimage.data
import torch
from PIL import Image

from serpent_cli import restore
from serpent_cli.degrade.blur import disk_blur
from serpent_cli.degrade.draws import generator_for
from serpent_cli.degrade.light import to_linear, to_srgb
from serpent_cli.degrade.noise import add_gaussian_noise

RADIUS, NOISE = 2.0, 1 / 255  # of the defocus in pixels; of the noise in full scale
FOCUS = 0.55  # of the width: there the blur is half gone, within a few dozen pixels
GAP = 8


def main() -> None:
    """Blur, restore and write the comparison."""
    sharp = skimage.data.astronaut()[:300, 90:390]
    x = torch.from_numpy(sharp.copy()).permute(2, 0, 1)[None].float() / 255
    width = x.shape[-1]
    part = torch.sigmoid((FOCUS * width - torch.arange(width)) / 20)
    x = torch.lerp(x, to_srgb(disk_blur(to_linear(x), RADIUS)), part)
    x = add_gaussian_noise(x, NOISE, generator_for("photograph")).clamp(0, 1)
    given = (x[0] * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    restored = restore(given, task="deblur")
    between = np.full((len(sharp), GAP, 3), 255, np.uint8)
    sheet = np.concatenate((given, between, restored, between, sharp), 1)
    Image.fromarray(sheet).save(Path(__file__).parents[1] / "docs/photograph.png", optimize=True)


if __name__ == "__main__":
    main()
