"""What sensors of many bands do to cubes: noise, stripes, dead pixels (Zhang et al., TGRS 2014)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from serpent_cli.degrade.draws import Range, chance, uniform


@dataclass(frozen=True)
class CubeHarm:
    """How cubes come to harm.

    Attributes:
        noise: Range of the standard deviation of Gaussian noise, in 1/255 of full scale.
        own_share: Share of cubes in which every band has a deviation of its own, below the cube's.
        stripe_share: Share of cubes with bands whose columns, or rows, are brighter or darker.
        dead_share: Share of cubes with pixels, and columns of a band, that always tell the same.
        bands: Range of the number of bands of a cube; one twice as large is drawn half as often.
            A network that takes bands as they are has cubes of its own number.
    """

    noise: Range = (0.0, 50.0)
    own_share: float = 0.5
    stripe_share: float = 0.2
    dead_share: float = 0.2
    bands: tuple[int, int] = (3, 48)

    def check(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            ValueError: A share that is none, or a range that is empty.
        """
        for name in ("own_share", "stripe_share", "dead_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1")
        if not 0 <= self.noise[0] <= self.noise[1] <= 255:
            raise ValueError("noise must be two rising numbers from 0 to 255")
        if not 1 <= self.bands[0] <= self.bands[1]:
            raise ValueError("bands must be two rising numbers from 1 on")


def harmed(
    clean: Tensor, harm: CubeHarm, generator: torch.Generator, field: torch.Generator | None = None
) -> Tensor:
    """Harm cubes, each in its own random way; not clipped.

    Args:
        clean: (B, T, H, W) in [0, 1].
        harm: What may happen.
        generator: Draws what happens to each cube, on the CPU.
        field: Draws the noise of every sample, best on the device of `clean`; else `generator`.

    Returns:
        (B, T, H, W).
    """
    count, bands = clean.shape[:2]
    most = uniform(harm.noise, (count, 1), generator) / 255
    own = chance(harm.own_share, count, generator)[:, None]
    deviation = most * torch.where(own, torch.rand(count, bands, generator=generator), 1.0)
    stream = field or generator
    noise = torch.randn(clean.shape, generator=stream, device=stream.device).to(clean)
    made = clean + noise * deviation[:, :, None, None].to(clean)
    made += _stripes(clean.shape, harm.stripe_share, generator).to(clean)
    dead, told = _dead(clean.shape, harm.dead_share, generator)
    return torch.where(dead.to(clean.device), told.to(clean), made)


def _stripes(shape: torch.Size, share: float, generator: torch.Generator) -> Tensor:
    """Offsets (B, T, H or 1, W or 1, broadcast) of columns, or in every second cube of rows."""
    b, t, h, w = shape
    striped = chance(share, b, generator)[:, None] & (torch.rand(b, t, generator=generator) < 0.3)
    strength = uniform((0.02, 0.15), (b, t, 1), generator) * striped.unsqueeze(2)
    some = torch.rand(b, t, max(h, w), generator=generator) < 0.3
    offsets = strength * some * torch.randn(b, t, max(h, w), generator=generator)
    across = torch.rand(b, 1, 1, 1, generator=generator) < 0.5
    return torch.where(across, offsets[..., :h, None], offsets[..., None, :w])


def _dead(
    shape: torch.Size, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Which samples (B, T, H, W) are dead, and what they tell: black, white or grey."""
    b, t, h, w = shape
    having = chance(share, b, generator)[:, None, None, None]
    rate = 0.01 * torch.rand(b, 1, 1, 1, generator=generator)
    single = torch.rand(shape, generator=generator) < rate
    lines = torch.rand(b, t, 1, w, generator=generator) < 0.3 * rate
    told = (3 * torch.rand(b, t, h, 1, generator=generator)).floor() / 2
    return having & (single | lines), told.expand(shape)
