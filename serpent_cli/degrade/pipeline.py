"""Random degradations for training: from sharp crops to what a restorer will be given."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, cast

import torch
from torch import Tensor

from serpent_cli.degrade.blur import (
    TRUNCATE,
    apply_kernels,
    disk_kernels,
    gaussian_kernels,
    motion_kernels,
)
from serpent_cli.degrade.compress import jpeg
from serpent_cli.degrade.noise import add_gaussian_noise
from serpent_cli.degrade.resize import bicubic_reduce
from serpent_cli.degrade.upload import upload
from serpent_cli.errors import UsageError

Range = tuple[float, float]
KERNEL_SIDE = 25  # 4 sigma of the widest Gaussian, and twice any disk or stroke

# What each range may hold: Gaussians keep 4 sigma inside the kernel, disks and strokes their edge.
LIMITS: dict[str, Range] = {
    "sigma": (0.1, KERNEL_SIDE // 2 / TRUNCATE),
    "radius": (0.0, KERNEL_SIDE / 2 - 1),
    "length": (1.0, KERNEL_SIDE - 2.0),
    "noise": (0.0, 255.0),
    "quality": (1.0, 100.0),
}


@dataclass(frozen=True)
class DegradeConfig:
    """The range of degradations that weights are trained for.

    Attributes:
        task: `deblur` (blur, noise, JPEG) or `upscale` (antialiased bicubic reduction).
        scale: Factor of the reduction; 1 for `deblur`.
        clean_share: Share of crops that keep their sharpness.
        clean_untouched: Share of those that stay wholly untouched; the rest gets noise and JPEG.
        kinds: Relative frequencies of round Gaussian, oval Gaussian, disk and motion.
        sigma: Range of the Gaussians' sigma, in pixels.
        radius: Range of the disks' radius, in pixels.
        length: Range of the strokes' length, in pixels.
        noise: Range of the noise's standard deviation, in 1/255 of full scale.
        noise_power: Power of the uniform variable that picks from the range; above 1 favours
            little noise, as most photographs have.
        noise_free_share: Share of crops without noise.
        jpeg_share: Share of crops compressed.
        quality: Range of JPEG qualities.
    """

    task: Literal["deblur", "upscale"] = "deblur"
    scale: int = 1
    clean_share: float = 0.12
    clean_untouched: float = 0.7
    kinds: tuple[float, float, float, float] = (0.5, 0.12, 0.19, 0.19)
    sigma: Range = (0.4, 3.0)
    radius: Range = (0.5, 3.5)
    length: Range = (3.0, 13.0)
    noise: Range = (0.0, 5.0)
    noise_power: float = 2.0
    noise_free_share: float = 0.15
    jpeg_share: float = 0.3
    quality: Range = (70.0, 98.0)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Self:
        """Build from parsed TOML or JSON.

        Raises:
            UsageError: An unknown key, or values that no degradation has.
        """
        if unknown := sorted(set(record) - {field.name for field in fields(cls)}):
            raise UsageError(f"unknown entries in [degrade]: {', '.join(unknown)}")
        values: dict[str, Any] = {}
        for entry in fields(cls):
            if entry.name in record:
                values[entry.name] = _value(entry.name, record[entry.name], entry.default)
        config = cls(**values)
        config.check()
        return config

    def check(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            UsageError: A task and scale that do not go together, a share that is none, or a range
                that is empty or leaves the kernels' 25 pixels or a codec's qualities.
        """
        if (self.task, self.scale) not in {("deblur", 1), *(("upscale", s) for s in (2, 4, 8))}:
            raise UsageError("[degrade] is for deblur at scale 1, or upscale at scale 2, 4 or 8")
        for name in ("clean_share", "clean_untouched", "noise_free_share", "jpeg_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"degrade.{name} must lie between 0 and 1")
        if min(self.kinds) < 0 or sum(self.kinds) <= 0:
            raise UsageError("degrade.kinds must not be negative, and not all be 0")
        if self.noise_power <= 0:
            raise UsageError("degrade.noise_power must be positive")
        for name, (least, most) in LIMITS.items():
            low, high = getattr(self, name)
            if not least <= low <= high <= most:
                raise UsageError(
                    f"degrade.{name} must be two rising numbers from {least:g} to {most:g}"
                )


def _value(name: str, value: object, default: object) -> object:
    """A value from TOML, if it is of the default's kind."""
    if isinstance(default, tuple):
        items = list(cast("Sequence[object]", value)) if isinstance(value, list | tuple) else []
        if len(items) == len(cast("tuple[object, ...]", default)) and all(map(_is_number, items)):
            return tuple(items)
        raise UsageError(f"degrade.{name} must be a list like {list(default)}, not {value!r}")
    fits = isinstance(value, str) if isinstance(default, str) else _is_number(value)
    if not fits:
        raise UsageError(f"degrade.{name} must be like {default!r}, not {value!r}")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def degrade(
    clean: Tensor,
    config: DegradeConfig,
    generator: torch.Generator,
    field: torch.Generator | None = None,
) -> Tensor:
    """Degrade sharp crops, each in its own random way, on their device.

    Args:
        clean: (B, 3, H, W), float32 in [0, 1]; for `upscale` H and W multiples of the scale.
        config: What may happen.
        generator: Draws what happens to each crop, on the CPU.
        field: Draws the noise of every pixel, best on the device of `clean`; `generator` if absent.

    Returns:
        (B, 3, H / scale, W / scale) in [0, 1], rounded to 8 bits.
    """
    if config.task == "upscale":
        return _rounded(bicubic_reduce(clean, config.scale))
    count = len(clean)
    sharp = _chance(count, config.clean_share, generator)
    untouched = sharp & _chance(count, config.clean_untouched, generator)
    kernels = random_kernels(count, config, generator, clean.device)
    kept = upload(sharp, clean.device).view(-1, 1, 1, 1)
    degraded = torch.where(kept, clean, apply_kernels(clean, kernels))
    least, most = (level / 255 for level in config.noise)
    std = least + (most - least) * _uniform(count, (0.0, 1.0), generator) ** config.noise_power
    std[_chance(count, config.noise_free_share, generator) | untouched] = 0
    std = upload(std, clean.device)
    degraded = _rounded(add_gaussian_noise(degraded, std, field or generator))
    compressed = _chance(count, config.jpeg_share, generator) & ~untouched
    quality = _uniform(count, config.quality, generator).round()
    subsample = _chance(count, 0.5, generator)
    chosen = compressed.nonzero()[:, 0]
    if len(chosen):
        rows = upload(chosen, clean.device)
        details = (upload(values[chosen], clean.device) for values in (quality, subsample))
        degraded[rows] = jpeg(degraded[rows], *details)
    return degraded


def random_kernels(
    count: int,
    config: DegradeConfig,
    generator: torch.Generator,
    device: torch.device | None = None,
) -> Tensor:
    """Kernels (count, 25, 25) of random kind and size, drawn on the CPU, built on `device`."""
    device = device or torch.device("cpu")
    weights = torch.tensor(config.kinds, dtype=torch.float32)
    kind = torch.multinomial(weights, count, replacement=True, generator=generator)
    sigma, across = (_uniform(count, config.sigma, generator) for _ in range(2))
    across = torch.where(kind == 0, sigma, across)
    angle = _uniform(count, (0.0, math.pi), generator)
    radius = _uniform(count, config.radius, generator)
    length = _uniform(count, config.length, generator)
    sizes = upload(torch.stack((sigma, across, angle, radius, length)), device)
    sigma, across, angle, radius, length = sizes
    each = torch.stack(
        (
            gaussian_kernels(sigma, across, angle, KERNEL_SIDE),
            disk_kernels(radius, KERNEL_SIDE),
            motion_kernels(length, angle, KERNEL_SIDE),
        )
    )
    rows = upload((kind - 1).clamp_min(0), device)
    return each[rows, torch.arange(count, device=device)]


def _uniform(count: int, limits: Range, generator: torch.Generator) -> Tensor:
    low, high = limits
    return torch.rand(count, generator=generator) * (high - low) + low


def _chance(count: int, share: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) < share


def _rounded(x: Tensor) -> Tensor:
    return x.clamp(0, 1).mul_(255).round_().div_(255)
