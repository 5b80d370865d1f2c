"""The suites that degrade sharp photographs, as data, and how one case becomes an input.

Blur with a reflected border, of sRGB values or of linear light; reduction; iid noise seeded by the
file name; JPEG where the case says so; rounded to 8 bits: what a restorer reads from a file. The
same name means the same degradation, in whichever suite it stands.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from serpent_cli.degrade import blur, kernels
from serpent_cli.degrade.compress import jpeg
from serpent_cli.degrade.draws import generator_for
from serpent_cli.degrade.light import to_linear, to_srgb
from serpent_cli.degrade.noise import add_gaussian_noise
from serpent_cli.degrade.resize import Filter, resize
from serpent_cli.evaluation import trained
from serpent_cli.evaluation.parts import PARTS, Mask
from serpent_cli.zoo.card import Card

CLEAN = "clean"
RANGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "sigma": ("sigma", ("gaussian", "oval")),
    "radius": ("radius", ("disk", "lens")),
    "length": ("length", ("motion",)),
    "trail": ("length", ("shake",)),
    "noise": ("noise", ()),
    "quality": ("quality", ()),
}
"""Strengths of a case: a card's range for each, and the kinds of blur that have it."""


@dataclass(frozen=True)
class Case:
    """One degradation; at most one of `sigma`, `radius`, `length` and `trail` blurs.

    Attributes:
        name: What tables, cards and bars call it.
        sigma: Of a round Gaussian, in pixels.
        radius: Of a disk, in pixels.
        length: Of a straight stroke, in pixels.
        angle: Of the stroke against the rows, in radians; None: drawn by the file name.
        trail: Length of a hand-held camera's curved trail, in pixels; its shape is drawn by the
            file name.
        linear: Blur linear light, as a lens does, not sRGB values.
        filter: Reduces, at the model's scale; None: keeps its size.
        antialias: Whether that filter widens for the reduction.
        noise: Standard deviation in 1/255 of full scale.
        quality: Of JPEG with halved chroma; None: not compressed.
        side: Side of the kernel in pixels; by default all that is not negligible (4 sigma).
        part: Name of the part of the frame that is blurred and noisy; None: all of it.
        compared: Names of parts in which the result is measured, too.
    """

    name: str
    sigma: float | None = None
    radius: float | None = None
    length: float | None = None
    angle: float | None = None
    trail: float | None = None
    linear: bool = False
    filter: Filter | None = None
    antialias: bool = True
    noise: float = 1.0
    quality: float | None = None
    side: int | None = None
    part: str | None = None
    compared: tuple[str, ...] = ()

    def kernel(self, file: str) -> Tensor | None:
        """The blur (1, k, k) of a photograph of this name; None: it stays sharp."""
        if self.sigma is not None:
            sigma, level = torch.tensor([self.sigma]), torch.zeros(1)
            side = self._side(kernels.TRUNCATE * self.sigma)
            return kernels.gaussian_kernels(sigma, sigma, level, side)
        if self.radius is not None:
            side = self._side(self.radius + 0.5)
            return kernels.disk_kernels(torch.tensor([self.radius]), side)
        if self.length is not None:
            side = self._side(self.length / 2 + 0.5)
            return kernels.motion_kernels(torch.tensor([self.length]), self._angle(file), side)
        if self.trail is not None:
            return self._shake(self.trail, generator_for(f"trail of {file}"))
        return None

    def _side(self, reach: float) -> int:
        return self.side or 2 * math.ceil(reach) + 1

    def _angle(self, file: str) -> Tensor:
        if self.angle is not None:
            return torch.tensor([self.angle])
        return torch.rand(1, generator=generator_for(f"angle of {file}")) * math.pi

    def _shake(self, trail: float, generator: torch.Generator) -> Tensor:
        """A trail, from nearly straight and even to curled and halting; its ends lie inside."""
        curl, uneven = 3 * torch.rand(1, generator=generator), torch.rand(1, generator=generator)
        walk = torch.randn(1, 3, kernels.STEPS, generator=generator)
        # A trail's centre of light is not its middle.
        side = self._side(0.7 * trail + 1)
        return kernels.shake_kernels(torch.tensor([trail]), curl, uneven, walk, side)

    def parts(self, height: int, width: int) -> dict[str, Mask | None]:
        """Where the result is measured, by what a table adds to the name; None: the whole frame."""
        compared = {f"same {name}": PARTS[name](height, width) for name in self.compared}
        if self.part is None:
            return {"": None, **compared}
        blurred = PARTS[self.part](height, width)
        return {"": blurred, SHARP_PART: ~blurred, **compared}

    def out_of_range(self, card: Card) -> bool:
        """Whether weights with this card were trained for less; False where the card is silent."""
        ways = trained.ways(card)
        asked = ((getattr(self, strength), *RANGES[strength]) for strength in RANGES)
        fits = all(
            trained.within(strength, name, kinds, ways)
            for strength, name, kinds in asked
            if strength  # noise 0 and no blur are nothing that must be learnt
        )
        reduced = self.filter is None or trained.reduces(self.filter, self.antialias, ways)
        return not (fits and reduced)


SHARP_PART = "sharp part"


def _gaussian(sigma: float, noise: float) -> Case:
    return Case(f"gaussian {sigma} noise {noise:g}", sigma=sigma, noise=noise)


_PARTLY = (
    Case("gaussian 1.6", sigma=1.6),
    Case("gaussian 2.4", sigma=2.4),
    Case("disk 3", radius=3.0),
)

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
    # Each blur all over, then in a part: the all-over picture is restored once for both parts.
    "partial": tuple(
        case
        for even in _PARTLY
        for case in (
            replace(even, compared=tuple(PARTS)),
            *(replace(even, name=f"{part} {even.name}", part=part) for part in PARTS),
        )
    ),
    "shake": tuple(
        Case(f"shake {trail:g}", trail=trail, linear=True) for trail in (10.0, 20.0, 35.0)
    ),
    "defocus": tuple(
        Case(f"defocus {radius:g}", radius=radius, linear=True) for radius in (2.0, 4.0, 6.0, 8.0)
    ),
    # Worse than slight flaws: nothing may be made worse still.
    "beyond": (
        *(Case(f"jpeg {quality:g}", noise=0.0, quality=quality) for quality in (10.0, 20.0)),
        Case("gaussian 5", sigma=5.0),
        Case("disk 6", radius=6.0),
        Case("motion 25 any angle", length=25.0),
        Case("noise 25", noise=25.0),
    ),
}
"""Every suite that blurs, by name."""

BICUBIC = Case("bicubic", filter="bicubic", noise=0.0)
"""What publications reduce by, and nothing else."""

REDUCTIONS: dict[str, tuple[Case, ...]] = {
    "upscale": (BICUBIC,),
    "upscale-real": (
        BICUBIC,
        Case("box", filter="box", noise=0.0),
        Case("bilinear aliased", filter="bilinear", antialias=False, noise=0.0),
        *(replace(BICUBIC, name=f"jpeg {q:g}", quality=q) for q in (95.0, 90.0, 75.0, 50.0)),
        *(replace(BICUBIC, name=f"noise {level:g}", noise=level) for level in (5.0, 10.0)),
    ),
}
"""Every suite that reduces, by name; a table adds the scale to the names."""


def degraded_inputs(
    file: str, clean: Tensor, cases: Sequence[Case], scale: int = 1
) -> Iterator[tuple[Case, Tensor]]:
    """One photograph in every case.

    Args:
        file: File name, which seeds the noise and draws angles and trails.
        clean: The sharp photograph (1, 3, H, W) in [0, 1].
        cases: What to do to it.
        scale: Of the reduction, for cases that reduce; H and W are multiples of it.

    Returns:
        The cases, and inputs rounded to 8 bits: (1, 3, H, W), or reduced by the scale.
    """
    for case in cases:
        x = _blurred(clean, case, file)
        if case.filter is not None:
            size = (side // scale for side in clean.shape[-2:])
            x = resize(x, *size, filter=case.filter, antialias=case.antialias)
        if case.noise:
            x = add_gaussian_noise(x, case.noise / 255, generator_for(file))
        if case.part is not None:
            x = torch.where(torch.from_numpy(PARTS[case.part](*clean.shape[-2:])), x, clean)
        if case.quality is not None:
            x = jpeg(x, torch.tensor([case.quality]), torch.tensor([True]))
        yield case, x.clamp(0, 1).mul(255).round().div(255)


def _blurred(clean: Tensor, case: Case, file: str) -> Tensor:
    kernel = case.kernel(file)
    if kernel is None:
        return clean
    if not case.linear:
        return blur.apply_kernels(clean, kernel)
    return to_srgb(blur.apply_kernels(to_linear(clean), kernel))
