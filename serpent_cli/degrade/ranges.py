"""What may happen to training crops, as records that a recipe's [degrade] table fills."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, cast

from serpent_cli.degrade.draws import Range
from serpent_cli.degrade.kernels import TRUNCATE
from serpent_cli.degrade.tables import read_table
from serpent_cli.errors import UsageError

# What each range may hold; the largest kernel has 61 pixels on a side.
MOST_REACH = 30
CUBE_TASKS = ("denoise", "reconstruct")
LIMITS: dict[str, Range] = {
    "sigma": (0.1, MOST_REACH / TRUNCATE),
    "radius": (0.0, MOST_REACH - 1.0),
    "length": (1.0, 2 * MOST_REACH - 2.0),
    "noise": (0.0, 255.0),
    "quality": (1.0, 100.0),
    "resample": (0.25, 4.0),
}


@dataclass(frozen=True)
class Kinds:
    """Relative frequencies of the kinds of blur.

    Attributes:
        sharp: None at all: what lies in the focus of a picture that is elsewhere blurred.
        gaussian: A round Gaussian.
        oval: An oval one.
        disk: Defocus of an ideal lens.
        motion: A straight, even stroke.
        lens: Defocus of real lenses: soft and bright edges, polygons, cat's eyes.
        shake: A curved trail of uneven speed.
        lens_shake: Both, the defocus of a third of its size.
        turn: A camera that turns and zooms, about a place of its own.
    """

    sharp: float = 0.0
    gaussian: float = 0.0
    oval: float = 0.0
    disk: float = 0.0
    motion: float = 0.0
    lens: float = 0.0
    shake: float = 0.0
    lens_shake: float = 0.0
    turn: float = 0.0


@dataclass(frozen=True)
class Filters:
    """Relative frequencies of the filters that reduce a picture; see `resize`."""

    box: float = 0.0
    bilinear: float = 0.0
    bicubic: float = 0.0
    lanczos: float = 0.0


@dataclass(frozen=True)
class Degradation:
    """One way in which pictures come to harm: blur, reduction, noise, processing and codecs.

    Attributes:
        share: Relative frequency among the ways of a mixture.
        clean_share: Share of crops that keep their sharpness.
        clean_untouched: Share of those that stay wholly untouched; the rest gets noise and codecs.
        kinds: How often each kind of blur.
        sigma: Range of the Gaussians' sigma, in pixels.
        radius: Range of the defocus's radius, in pixels.
        length: Range of the length of strokes and trails, in pixels.
        size_power: Power of the uniform variable that picks blurs from these ranges; above 1
            favours slight ones.
        layers: Relative frequencies of one, two and three blurs, side by side in one crop.
        moving_share: Share of crops of two whose nearer layer takes its outline along.
        linear_share: Share of crops on which blur and noise act in linear light, not on sRGB
            values.
        highlight_share: Share of those with lights brighter than white.
        filters: How `upscale` reduces.
        aliased_share: Share of reductions without antialiasing.
        noise: Range of the noise's standard deviation, in 1/255 of full scale.
        noise_power: Power of the uniform variable that picks from the range; above 1 favours
            little noise, as most photographs have.
        noise_free_share: Share of crops without noise.
        sensor_share: Share of noisy crops whose noise grows with the light and is shared by
            neighbours and colours; the others' is independent and Gaussian.
        sharpen_share: Share of crops that a camera sharpened.
        resample_share: Share of crops that were resized and back.
        resample: Range of that size, over the crop's.
        jpeg_share: Share of crops compressed by JPEG.
        webp_share: Share of crops compressed by WebP.
        quality: Range of both codecs' qualities.
        twice_share: Share of crops that JPEG had compressed before, on another grid of blocks.
        taught: Whether the run's teacher shows how to undo this (`loss.teacher` of a recipe).
    """

    share: float = 1.0
    clean_share: float = 0.12
    clean_untouched: float = 0.7
    kinds: Kinds = Kinds(gaussian=0.5, oval=0.12, disk=0.19, motion=0.19)
    sigma: Range = (0.4, 3.0)
    radius: Range = (0.5, 3.5)
    length: Range = (3.0, 13.0)
    size_power: float = 1.0
    layers: tuple[float, float, float] = (1.0, 0.0, 0.0)
    moving_share: float = 0.0
    linear_share: float = 0.0
    highlight_share: float = 0.0
    filters: Filters = Filters(bicubic=1.0)
    aliased_share: float = 0.0
    noise: Range = (0.0, 5.0)
    noise_power: float = 2.0
    noise_free_share: float = 0.15
    sensor_share: float = 0.0
    sharpen_share: float = 0.0
    resample_share: float = 0.0
    resample: Range = (0.5, 1.5)
    jpeg_share: float = 0.3
    webp_share: float = 0.0
    quality: Range = (70.0, 98.0)
    twice_share: float = 0.0
    taught: bool = False

    def check(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            UsageError: A share that is none, frequencies that are all 0, or a range that is empty
                or leaves what kernels and codecs can do.
        """
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.name.endswith("_share") or entry.name == "clean_untouched":
                if not 0 <= value <= 1:
                    raise UsageError(f"degrade.{entry.name} must lie between 0 and 1")
            elif entry.name in LIMITS:
                least, most = LIMITS[entry.name]
                if not least <= value[0] <= value[1] <= most:
                    raise UsageError(
                        f"degrade.{entry.name} must be two rising numbers from {least:g}"
                        f" to {most:g}"
                    )
        if self.jpeg_share + self.webp_share > 1:
            raise UsageError("degrade.jpeg_share and degrade.webp_share must be at most 1 together")
        for name in ("kinds", "filters", "layers"):
            value = getattr(self, name)
            shares = value if isinstance(value, tuple) else tuple(asdict(value).values())
            if min(shares) < 0 or sum(shares) <= 0:
                raise UsageError(f"degrade.{name} must not be negative, and not all be 0")
        for name in ("noise_power", "size_power", "share"):
            if getattr(self, name) <= 0:
                raise UsageError(f"degrade.{name} must be positive")

    @property
    def kernel_side(self) -> int:
        """Side of a kernel that holds every blur of these ranges, in pixels, odd."""
        kinds, reach = self.kinds, 1.0
        if kinds.gaussian or kinds.oval:
            reach = max(reach, TRUNCATE * self.sigma[1])
        if kinds.disk or kinds.lens:
            reach = max(reach, self.radius[1] + 1)
        if kinds.motion:
            reach = max(reach, self.length[1] / 2 + 1)
        if kinds.shake or kinds.lens_shake:  # a trail's centre of light is not its middle
            reach = max(reach, 0.7 * self.length[1] + 1)
        if kinds.lens_shake:
            reach += self.radius[1] / 3 + 1
        return 2 * min(MOST_REACH, math.ceil(reach)) + 1


@dataclass(frozen=True)
class DegradeConfig:
    """What weights are trained for: a task, and a mixture of ways in which pictures come to harm.

    Attributes:
        task: `deblur`, or `upscale`, which reduces; of cubes `denoise`, or `reconstruct` from
            coded snapshots: they come to harm as `CubeHarm` says.
        scale: Factor of the reduction; 1 but for `upscale`.
        mixture: Each crop comes to harm in one of these ways.
    """

    task: Literal["deblur", "upscale", "denoise", "reconstruct"] = "deblur"
    scale: int = 1
    mixture: tuple[Degradation, ...] = (Degradation(),)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Self:
        """Build from parsed TOML: a `mixture` of tables, or one way whose keys stand beside `task`.

        Raises:
            UsageError: An unknown key, or values that no degradation has.
        """
        rest = dict(record)
        task, scale = rest.pop("task", cls.task), rest.pop("scale", cls.scale)
        ways = rest.pop("mixture", None)
        if ways is not None and rest:
            raise UsageError(f"[degrade] has a mixture: {', '.join(sorted(rest))} belong into it")
        if task in CUBE_TASKS and (rest or ways is not None):
            raise UsageError(
                f"what happens to cubes is told in [cubes], not in [degrade] of {task}"
            )
        ways = [rest] if ways is None else ways
        if not isinstance(ways, list) or not ways:
            raise UsageError("degrade.mixture must be a list of tables")
        alone = {(each, 1) for each in ("deblur", *CUBE_TASKS)}
        if (task, scale) not in alone | {("upscale", s) for s in (2, 4, 8)}:
            raise UsageError("[degrade] is for deblur at scale 1, or upscale at scale 2, 4 or 8")
        mixture = tuple(read_table(Degradation, way, "degrade") for way in cast("list[Any]", ways))
        for way in mixture:
            way.check()
        return cls(task, scale, mixture)
