"""Quality against the size of tiles: a scan sees the whole map, and learned on small ones.

On photographs as they are, and on a large picture laid out of them, side by side, since there are
no larger ones: python -m bench tiles --photos DIR.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from bench.timing import Row, table
from serpent_cli.degrade.blur import gaussian_blur
from serpent_cli.degrade.draws import generator_for
from serpent_cli.degrade.noise import add_gaussian_noise
from serpent_cli.degrade.resize import bicubic_reduce
from serpent_cli.errors import NoInputError
from serpent_cli.evaluation.metrics import psnr
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.imaging.read import read_picture
from serpent_cli.restoration.plan import LADDER
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.zoo.locate import list_cards

SIGMA, NOISE = 1.6, 1 / 255
CELL = 384  # pixels of each photograph's side
SIDES = (3072, 2048)  # of the sharp pictures of `deblur`, and of nets that enlarge


def rows(photos: Path, device: torch.device) -> list[Row]:
    """PSNR and seams of each bundled model for photographs, for tiles smaller than the picture."""
    found: list[Row] = []
    every_third = [sharp_at(path) for path in sorted(photos.glob("*.png"))[::3]]
    for card in list_cards():
        if card.task not in ("deblur", "upscale"):
            continue
        large = [mosaic(photos, SIDES[card.scale > 1])]
        for what, sharp in (("photographs", every_third), ("mosaic", large)):
            done = model_rows(card.name, what, sharp, device)
            print(table(done), file=sys.stderr, flush=True)  # the others take long
            found += done
    return found


def model_rows(name: str, what: str, sharp: list[Samples], device: torch.device) -> list[Row]:
    """One model, from the whole pictures down to the smallest tile; means over the pictures."""
    scale = Restorer.from_pretrained(name, device=str(device)).scale
    given = [degraded(each, scale) for each in sharp]
    side = max(max(each.height, each.width) for each in given)
    found: list[Row] = []
    whole: list[Samples] = []
    for tile in ("whole", *(each for each in LADDER if each < side)):
        restorer = Restorer.from_pretrained(name, device=str(device), tile=tile)
        restored = [restorer.restore(each).pixels for each in given]
        whole = whole or restored
        title = f"{name}, {len(given)} of {what} up to {side}, tile {tile}"
        gained = [psnr(a / 255, b / 255) for a, b in zip(restored, sharp, strict=True)]
        found.append(Row(f"{title}: PSNR", float(np.mean(gained)), "dB"))
        if tile != "whole":
            apart = [(a.astype(np.int16) - b).std() for a, b in zip(restored, whole, strict=True)]
            found.append(Row(f"{title}: rms from whole", float(np.mean(apart)), "/255"))
    return found


def sharp_at(path: Path) -> Samples:
    """A photograph, cut to a multiple of 8."""
    pixels = read_picture(path).pixels
    return pixels[: pixels.shape[0] // 8 * 8, : pixels.shape[1] // 8 * 8]


def mosaic(folder: Path, side: int) -> Samples:
    """A square of photographs' middles, row by row, the set repeated until it is full."""
    paths = sorted(folder.glob("*.png"))
    cells = [
        middle
        for path in paths
        if (middle := _middle(read_picture(path).pixels)).shape == (CELL, CELL, 3)
    ]
    if not cells:
        raise NoInputError(f"there is no PNG of at least {CELL} x {CELL} pixels in {folder}")
    count = -(-side // CELL)
    lines = [
        np.concatenate([cells[(i * count + j) % len(cells)] for j in range(count)], axis=1)
        for i in range(count)
    ]
    return np.concatenate(lines)[:side, :side]


def _middle(pixels: Samples) -> Samples:
    top, left = ((length - CELL) // 2 for length in pixels.shape[:2])
    return pixels[max(top, 0) :, max(left, 0) :][:CELL, :CELL]


def degraded(sharp: Samples, scale: int) -> Picture:
    """What the model is given: blurred with noise, or reduced."""
    x = torch.from_numpy(sharp.copy()).permute(2, 0, 1)[None].float() / 255
    if scale > 1:
        x = bicubic_reduce(x, scale)
    else:
        x = add_gaussian_noise(gaussian_blur(x, SIGMA), NOISE, generator_for("tiles"))
    return Picture(x.clamp(0, 1).mul(255).round().byte()[0].permute(1, 2, 0).contiguous().numpy())
