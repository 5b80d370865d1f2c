"""The suites that degrade sharp photographs, as data, and how one case becomes an input.

Blur of sRGB values with a reflected border, iid noise seeded by the file name, JPEG where the case
says so, rounded to 8 bits: what a restorer reads from a file. The same name means the same
degradation, in whichever suite it stands.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from serpent_cli.degrade import blur
from serpent_cli.degrade.compress import jpeg
from serpent_cli.degrade.noise import add_gaussian_noise, generator_for
from serpent_cli.zoo.card import Card

CLEAN = "clean"
STRENGTHS = ("sigma", "radius", "length", "noise", "quality")


@dataclass(frozen=True)
class Case:
    """One degradation; at most one of `sigma`, `radius` and `length` blurs.

    Attributes:
        name: What tables, cards and bars call it.
        sigma: Of a round Gaussian, in pixels.
        radius: Of a disk, in pixels.
        length: Of a straight stroke, in pixels.
        angle: Of the stroke against the rows, in radians; None: drawn by the file name.
        noise: Standard deviation in 1/255 of full scale.
        quality: Of JPEG with halved chroma; None: not compressed.
        side: Side of the kernel in pixels; by default all that is not negligible (4 sigma).
    """

    name: str
    sigma: float | None = None
    radius: float | None = None
    length: float | None = None
    angle: float | None = None
    noise: float = 1.0
    quality: float | None = None
    side: int | None = None

    def kernel(self, file: str) -> Tensor | None:
        """The blur (1, k, k) of a photograph of this name; None: it stays sharp."""
        if self.sigma is not None:
            sigma, level = torch.tensor([self.sigma]), torch.zeros(1)
            side = self._side(blur.TRUNCATE * self.sigma)
            return blur.gaussian_kernels(sigma, sigma, level, side)
        if self.radius is not None:
            side = self._side(self.radius + 0.5)
            return blur.disk_kernels(torch.tensor([self.radius]), side)
        if self.length is not None:
            side = self._side(self.length / 2 + 0.5)
            return blur.motion_kernels(torch.tensor([self.length]), self._angle(file), side)
        return None

    def _side(self, reach: float) -> int:
        return self.side or 2 * math.ceil(reach) + 1

    def _angle(self, file: str) -> Tensor:
        if self.angle is not None:
            return torch.tensor([self.angle])
        return torch.rand(1, generator=generator_for(f"angle of {file}")) * math.pi

    def out_of_range(self, card: Card) -> bool:
        """Whether weights with this card were trained for less; False where the card is silent."""
        ranges = card.trained.get("degradation", {})
        asked = ((getattr(self, name), ranges.get(name)) for name in STRENGTHS)
        return any(
            strength is not None and limits and not limits[0] <= strength <= limits[1]
            for strength, limits in asked
        )


def _gaussian(sigma: float, noise: float) -> Case:
    return Case(f"gaussian {sigma} noise {noise:g}", sigma=sigma, noise=noise)


CASES: dict[str, tuple[Case, ...]] = {
    "deblur": (
        *(Case(f"gaussian {sigma}", sigma=sigma) for sigma in (1.0, 1.6, 2.4)),
        Case("disk 2", radius=2.0),
        Case("motion 9", length=9.0, angle=math.pi / 6),
        Case("jpeg 80 over gaussian 1.2", sigma=1.2, quality=80.0),
        Case(CLEAN, noise=0.0),
    ),
    "gaussian": tuple(
        _gaussian(sigma, noise) for sigma in (0.8, 1.2, 1.6, 2.4, 3.0) for noise in (0.0, 2.0, 5.0)
    ),
    # Noise of 0.05 of full scale; the kernel holds ten sigma, so that nothing of it is cut off.
    "gaussian-61": (Case("gaussian-61 3.0 noise 12.75", sigma=3.0, noise=0.05 * 255, side=61),),
    "blur": (
        *(Case(f"disk {radius:g}", radius=radius) for radius in (1.0, 2.0, 3.0)),
        *(Case(f"motion {length:g} any angle", length=length) for length in (5.0, 9.0, 12.0)),
    ),
    # Worse than any training: nothing may be made worse still.
    "beyond": (
        *(Case(f"jpeg {quality:g}", noise=0.0, quality=quality) for quality in (10.0, 20.0)),
        Case("gaussian 5", sigma=5.0),
        Case("disk 6", radius=6.0),
        Case("motion 25 any angle", length=25.0),
        Case("noise 25", noise=25.0),
    ),
}
"""Every suite that blurs, by name."""


def degraded_inputs(
    file: str, clean: Tensor, cases: Sequence[Case]
) -> Iterator[tuple[Case, Tensor]]:
    """One photograph in every case.

    Args:
        file: File name, which seeds the noise and draws angles.
        clean: The sharp photograph (1, 3, H, W) in [0, 1].
        cases: What to do to it.

    Returns:
        The cases, and inputs (1, 3, H, W) rounded to 8 bits.
    """
    for case in cases:
        kernel = case.kernel(file)
        x = clean if kernel is None else blur.apply_kernels(clean, kernel)
        if case.noise:
            x = add_gaussian_noise(x, case.noise / 255, generator_for(file))
        if case.quality is not None:
            x = jpeg(x, torch.tensor([case.quality]), torch.tensor([True]))
        yield case, x.clamp(0, 1).mul(255).round().div(255)
