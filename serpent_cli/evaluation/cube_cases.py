"""The suites of cubes, as data, and how a clean cube becomes an input.

All of chance is drawn by the file's name without its suffix, so that a cube scores alike in every
format. Inputs stay floats and are not clipped: what a sensor delivers after its dark level is taken
off.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from serpent_cli.cubes.cube import Cube
from serpent_cli.degrade.aperture import random_masks
from serpent_cli.degrade.cassi import WAVELENGTHS, measure
from serpent_cli.degrade.draws import generator_for
from serpent_cli.degrade.sensor import CubeHarm, harmed

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class CubeCase:
    """One way in which a cube comes to harm.

    Attributes:
        name: What tables, cards and bars call it.
        noise: Deviation of Gaussian noise, in 1/255 of full scale.
        own: Every band has a deviation of its own, from 0 to `noise`.
        stripes: Of three in ten bands three in ten columns, or rows, are brighter or darker.
        dead: Up to 1 % of the samples, and some columns of a band, tell black, grey or white.
    """

    name: str
    noise: float
    own: bool = False
    stripes: bool = False
    dead: bool = False

    def apply(self, file: str, clean: Floats) -> Floats:
        """Harm a cube (T, H, W) in [0, 1]; its file's name draws how."""
        harm = CubeHarm(
            noise=(self.noise, self.noise), own_share=float(self.own),
            stripe_share=float(self.stripes), dead_share=float(self.dead),
        )  # fmt: skip
        return harmed(torch.from_numpy(clean)[None], harm, _chance(file))[0].numpy()


SNAPSHOT = "snapshot"
"""The one case of `reconstruct`: a coded aperture, two pixels from band to band, no noise."""

DENOISE_CUBE = (
    *(CubeCase(f"cube noise {sigma:g}", sigma) for sigma in (5.0, 25.0, 50.0)),
    *(CubeCase(f"cube stripes noise {sigma:g}", sigma, stripes=True) for sigma in (5.0, 25.0)),
    *(CubeCase(f"cube dead noise {sigma:g}", sigma, dead=True) for sigma in (5.0, 25.0)),
    CubeCase("cube mixture", 50.0, own=True, stripes=True, dead=True),
)
"""The cases of `denoise-cube`."""


def snapshot(file: str, scene: Floats) -> tuple[Floats, Floats]:
    """Take a scene (T, H, W) in [0, 1] through a random mask that its file's name draws.

    Returns:
        The snapshot (H, W + 2 (T - 1)), and the mask (H, W) in [0, 1].
    """
    height, width = scene.shape[1:]
    mask = random_masks(1, height, width, _chance(file, "mask "))[0]
    return measure(torch.from_numpy(scene)[None], mask)[0].numpy(), mask.numpy()


def _chance(file: str, what: str = "") -> torch.Generator:
    return generator_for(f"{what}{Path(file).stem}")


def scene_of(cube: Cube, bands: int) -> Floats | None:
    """A cube in the bands of a network for snapshots, (bands, H, W).

    Args:
        cube: In [0, 1].
        bands: How many the network knows; 28 are those of published snapshots, 453.5 to 648 nm.

    Returns:
        The cube itself if it has so many, else interpolated along the spectrum; None where it
        tells no wavelengths, or they do not reach so far.
    """
    if len(cube.planes) == bands:
        return cube.planes
    known = cube.wavelengths
    if bands != len(WAVELENGTHS) or known is None or sorted(set(known)) != list(known):
        return None
    if known[0] > WAVELENGTHS[0] or known[-1] < WAVELENGTHS[-1]:
        return None
    place = np.interp(WAVELENGTHS, known, np.arange(len(known)))
    low = np.minimum(place.astype(int), len(known) - 2)
    share = (place - low)[:, None, None].astype(np.float32)
    return cube.planes[low] * (1 - share) + cube.planes[low + 1] * share
