"""Random degradations for training: from sharp crops to what a restorer will be given.

The order is a camera's: lens and motion, reduction, sensor, processing, codec.
"""

import math
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from serpent_cli.degrade.blur import convolve, unsharp_mask
from serpent_cli.degrade.compress import jpeg, webp
from serpent_cli.degrade.draws import Range, chance, choice, uniform, upload
from serpent_cli.degrade.kernels import (
    STEPS,
    disk_kernels,
    gaussian_kernels,
    lens_kernels,
    motion_kernels,
    shake_kernels,
)
from serpent_cli.degrade.light import brighten_highlights, to_linear, to_srgb
from serpent_cli.degrade.noise import sensor_noise
from serpent_cli.degrade.ranges import Degradation, DegradeConfig, Filters, Kinds
from serpent_cli.degrade.resize import Filter, resize
from serpent_cli.degrade.varying import blend, random_masks, turned

KINDS = tuple(entry.name for entry in fields(Kinds))
FILTERS = cast("tuple[Filter, ...]", tuple(entry.name for entry in fields(Filters)))
MARGIN = 4  # pixels of a reduced picture that see what lies beyond its border


@dataclass(frozen=True)
class Layers:
    """Some crops once more, with each of their blurs all over: what a teacher of even blur sees.

    Attributes:
        rows: (R), their places among all crops.
        pictures: (R, 3, h, w) for each layer, nearest first; all that follows the blur befalls
            each as it befell the crop, noise and codec included.
        masks: One fewer, (R, 1, h, w) in [0, 1]; see `varying.blend`.
    """

    rows: Tensor
    pictures: list[Tensor]
    masks: list[Tensor]


def degrade(
    clean: Tensor,
    config: DegradeConfig,
    generator: torch.Generator,
    field: torch.Generator | None = None,
    halo: int = 0,
    layers: list[Layers] | None = None,
) -> Tensor:
    """Degrade sharp crops, each in its own random way, on their device.

    Args:
        clean: (B, 3, H, W), float32 in [0, 1]; for `upscale` H and W multiples of the scale.
        config: What may happen.
        generator: Draws what happens to each crop, on the CPU.
        field: Draws the noise of every pixel, best on the device of `clean`; `generator` if absent.
        halo: Pixels on each side that are seen, but not wanted; a multiple of the scale. What
            blur needs beyond them is reflected.
        layers: Receives the layers of crops that are `taught`, if given; what happens to the crops
            does not depend on it.

    Returns:
        (B, 3, (H - 2 halo) / scale, (W - 2 halo) / scale) in [0, 1], rounded to 8 bits.
    """
    way = choice([way.share for way in config.mixture], len(clean), generator)
    height, width = ((side - 2 * halo) // config.scale for side in clean.shape[-2:])
    degraded = clean.new_empty(len(clean), 3, height, width)
    for index, each in enumerate(config.mixture):
        rows = upload((way == index).nonzero()[:, 0], clean.device)
        if not len(rows):
            continue
        crops = _Crops(clean[rows], each, generator, field, halo, config)
        degraded[rows] = crops.degraded()
        if layers is not None and each.taught:
            layers.append(Layers(rows, crops.alone(), crops.masks))
    return degraded


class _Crops:
    """Crops that come to harm in one way; every step changes `x`, for the rows that it befalls."""

    def __init__(
        self,
        clean: Tensor,
        way: Degradation,
        generator: torch.Generator,
        field: torch.Generator | None,
        halo: int,
        config: DegradeConfig,
    ) -> None:
        self.x, self.way, self.generator, self.field = clean, way, generator, field or generator
        self.halo, self.scale, self.count, self.device = (
            halo,
            config.scale,
            len(clean),
            clean.device,
        )
        self.sharp = self.chance(way.clean_share)
        self.touched = ~(self.sharp & self.chance(way.clean_untouched))
        self.linear = self.chance(way.linear_share) & self.touched
        self.streams = [generator] if field is None else [generator, field]
        self.pictures: list[Tensor] = []  # each blur all over, and the masks between them
        self.masks: list[Tensor] = []

    def degraded(self) -> Tensor:
        """All steps, in order."""
        lit = self.linear & self.chance(self.way.highlight_share)
        gain = upload(self.uniform((1.0, 8.0)), self.device)
        self.befall(self.linear, lambda x, rows: to_linear(x))
        self.befall(lit, lambda x, rows: brighten_highlights(x, gain[rows]))
        self.blur()
        self.states = [stream.get_state() for stream in self.streams]
        return self.seen(blend(self.pictures, self.masks))

    def alone(self) -> list[Tensor]:
        """Each blur all over, once `degraded`; what followed befalls it as it befell the crop."""
        after = [stream.get_state() for stream in self.streams]
        seen: list[Tensor] = []
        for picture in self.pictures:
            self.rewind(self.states)
            seen.append(self.seen(picture))
        self.rewind(after)
        return seen

    def rewind(self, states: list[Tensor]) -> None:
        """Let the streams give once more what they gave from there on."""
        for stream, state in zip(self.streams, states, strict=True):
            stream.set_state(state)

    def seen(self, blurred: Tensor) -> Tensor:
        """Blurred pictures as a restorer sees them."""
        self.x = blurred
        self.reduce()
        self.noise()
        self.befall(self.linear, lambda x, rows: to_srgb(x))
        self.process()
        self.encode()
        return self.x

    def chance(self, share: float) -> Tensor:
        """Which rows something of that share befalls, (B) bool on the CPU."""
        return chance(share, self.count, self.generator)

    def uniform(self, limits: Range, power: float = 1.0) -> Tensor:
        """A number from a range for each row, on the CPU."""
        return uniform(limits, (self.count,), self.generator, power)

    def befall(self, chosen: Tensor, change: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Change some rows of `x`, never in place: they are the caller's at first."""
        rows = upload(chosen.nonzero()[:, 0], self.device)
        if len(rows) == self.count:
            self.x = change(self.x, rows)
        elif len(rows):
            self.x = self.x.clone()
            self.x[rows] = change(self.x[rows], rows)

    def blur(self) -> None:
        """One, two or three blurs for each crop; takes the halo away, but for a reduction's."""
        kept = min(self.halo, MARGIN * self.scale) if self.scale > 1 else 0
        layers = choice(self.way.layers, self.count, self.generator) + 1
        layers[self.sharp] = 1
        masks = [self.mask() for _ in range(int(layers.max()) - 1)]
        moving = (layers == 2) & self.chance(self.way.moving_share)
        for layer in range(int(layers.max())):
            wanted = (layers > layer) & ~self.sharp
            blurred = self.one_blur(wanted, self.halo - kept, masks, moving & (layer == 0))
            self.pictures.append(blurred)
        self.masks = [_cut(mask, self.halo - kept) for mask in masks]
        for index, mask in enumerate(self.masks):
            # Where there are fewer layers than masks, the last layer lies in front of the others.
            mask[upload(layers <= index + 1, self.device)] = 1

    def mask(self) -> Tensor:
        """A random part of each crop, halo included."""
        height, width = self.x.shape[-2:]
        return random_masks(self.count, height, width, self.generator, self.device)

    def one_blur(self, wanted: Tensor, cut: int, masks: list[Tensor], moving: Tensor) -> Tensor:
        """One random blur of each wanted row, without `cut` pixels at each border."""
        kind = choice(astuple(self.way.kinds), self.count, self.generator)
        kernels = random_kernels(kind, self.way, self.generator, self.device)
        turn = wanted & (kind == KINDS.index("turn"))
        place = upload(torch.rand(self.count, 4, generator=self.generator), self.device)
        wanted = wanted & ~turn & (kind != KINDS.index("sharp"))
        blurred = _cut(self.x, cut).clone()
        rows = upload((wanted & ~moving).nonzero()[:, 0], self.device)
        if len(rows):
            blurred[rows] = _windows(self.x[rows], kernels[rows], cut)
        rows = upload((wanted & moving).nonzero()[:, 0], self.device)
        if len(rows):
            part = masks[0][rows]
            whole = _windows(torch.cat((self.x[rows] * part, part), 1), kernels[rows], cut)
            # The outline moves with its subject: where it was only for a while, the rest shows.
            masks[0][rows] = functional.pad(whole[:, 3:], (cut,) * 4)
            blurred[rows] = whole[:, :3] / whole[:, 3:].clamp_min(1e-3)
        rows = upload(turn.nonzero()[:, 0], self.device)
        if len(rows):
            angle, zoom = (0.1 * (place[rows, i] - 0.5) for i in range(2))
            whole = turned(self.x[rows], angle, zoom, 4 * place[rows, 2:] - 2)
            blurred[rows] = _cut(whole, cut)
        return blurred

    def reduce(self) -> None:
        """To the size of the input, where that is smaller."""
        if self.scale == 1:
            return
        chosen = choice(astuple(self.way.filters), self.count, self.generator)
        chosen[self.sharp] = FILTERS.index("bicubic")
        aliased = self.chance(self.way.aliased_share) & ~self.sharp
        height, width = (side // self.scale for side in self.x.shape[-2:])
        small = self.x.new_empty(self.count, 3, height, width)
        for index, name in enumerate(FILTERS):
            for careless in (False, True):
                rows = ((chosen == index) & (aliased == careless)).nonzero()[:, 0]
                if len(rows):
                    rows = upload(rows, self.device)
                    small[rows] = resize(
                        self.x[rows], height, width, filter=name, antialias=not careless
                    )
        self.x = _cut(small, min(self.halo // self.scale, MARGIN))

    def noise(self) -> None:
        """Of the sensor, or of publications: independent and Gaussian."""
        way = self.way
        std = self.uniform(way.noise, way.noise_power) / 255
        std[self.chance(way.noise_free_share) | ~self.touched] = 0
        sensor = self.chance(way.sensor_share)
        # In linear light nothing but photons gives a shadow its noise: reading adds little.
        shot = torch.where(
            self.linear, self.uniform((0.9, 0.995)), self.uniform((0.0, 1.0)) * sensor
        )
        grain = self.uniform((0.0, 0.9)) * (sensor & self.chance(0.7))
        tint = self.uniform((0.0, 0.6)) * sensor
        std_, shot, grain, tint = (upload(v, self.device) for v in (std, shot, grain, tint))

        def add(x: Tensor, rows: Tensor) -> Tensor:
            some = std_[rows], shot[rows], grain[rows], tint[rows]
            return sensor_noise(x, *some, self.field)

        self.befall(std > 0, add)

    def process(self) -> None:
        """What cameras and programs do before they write a file."""
        sharpened = self.chance(self.way.sharpen_share) & self.touched
        amount = upload(self.uniform((0.2, 1.2)), self.device)
        self.befall(sharpened, lambda x, rows: unsharp_mask(x.clamp(0, 1), amount[rows]))
        self.x = _rounded(self.x)
        twice = self.chance(self.way.twice_share) & self.touched
        down, right = torch.randint(8, (2,), generator=self.generator).tolist()
        quality, halved = self.quality()

        def on_another_grid(x: Tensor, rows: Tensor) -> Tensor:
            moved = jpeg(x.roll((down, right), (2, 3)), quality[rows], halved[rows])
            return moved.roll((-down, -right), (2, 3))

        self.befall(twice, on_another_grid)
        resized = self.chance(self.way.resample_share) & self.touched
        sizes = self.uniform(self.way.resample).tolist()
        filters = torch.randint(len(FILTERS), (self.count,), generator=self.generator).tolist()

        def resample(x: Tensor, rows: Tensor) -> Tensor:
            each = zip(x, rows.tolist(), strict=True)
            return torch.stack(
                [_resized_and_back(y[None], sizes[r], FILTERS[filters[r]])[0] for y, r in each]
            )

        self.befall(resized, resample)

    def quality(self) -> tuple[Tensor, Tensor]:
        """Of JPEG for each row, and whether chroma is halved, on the device."""
        quality = self.uniform(self.way.quality).round()
        halved = self.chance(0.5)
        return upload(quality, self.device), upload(halved, self.device)

    def encode(self) -> None:
        """To 8 bits, and through a codec."""
        self.x = _rounded(self.x)
        draw = torch.rand(self.count, generator=self.generator)
        quality, halved = self.quality()
        by_jpeg = (draw < self.way.jpeg_share) & self.touched
        by_webp = (draw >= 1 - self.way.webp_share) & self.touched
        self.befall(by_jpeg, lambda x, rows: jpeg(x, quality[rows], halved[rows]))
        self.befall(by_webp, lambda x, rows: webp(x, quality[rows]))


def random_kernels(
    kind: Tensor,
    way: Degradation,
    generator: torch.Generator,
    device: torch.device | None = None,
) -> Tensor:
    """Kernels (B, k, k) of random size, drawn on the CPU, built on `device`.

    Args:
        kind: (B), places in `KINDS`, on the CPU; what is no kernel gets one that is not used.
        way: Its ranges, and with them k.
        generator: Draws sizes, angles and trails.
        device: Where they are wanted.
    """
    device, count, side = device or torch.device("cpu"), len(kind), way.kernel_side

    def draw(limits: Range, power: float = 1.0) -> Tensor:
        return uniform(limits, (count,), generator, power)

    sigma, across = (draw(way.sigma, way.size_power) for _ in range(2))
    across = torch.where(kind == KINDS.index("oval"), across, sigma)
    angle, radius = draw((0.0, math.pi)), draw(way.radius, way.size_power)
    length = draw(way.length, way.size_power)
    edge, rim = draw((0.0, 0.5)), draw((-0.5, 1.0))
    blades = torch.randint(2, 9, (count,), generator=generator).float()
    cut = draw((0.0, 0.9)) * (draw((0.0, 1.0)) < 0.3)
    curl, uneven = draw((0.0, 3.0)), draw((0.0, 1.0))
    walk = upload(torch.randn(count, 3, STEPS, generator=generator), device)
    sizes = torch.stack(
        (sigma, across, angle, radius, length, edge, rim, blades, cut, curl, uneven)
    )
    sigma, across, angle, radius, length, edge, rim, blades, cut, curl, uneven = upload(
        sizes, device
    )

    def lens(part: float) -> Tensor:
        return lens_kernels(part * radius, edge, rim, blades, 2 * angle, cut, side)

    def shake() -> Tensor:
        return shake_kernels(length, curl, uneven, walk, side)

    def lens_shake() -> Tensor:
        trail = functional.pad(shake(), (side // 2,) * 4)
        return convolve(trail[:, None], lens(1 / 3))[:, 0].clamp_min(0)

    makers: dict[str, Callable[[], Tensor]] = {
        "gaussian": lambda: gaussian_kernels(sigma, across, angle, side),
        "oval": lambda: gaussian_kernels(sigma, across, angle, side),
        "disk": lambda: disk_kernels(radius, side),
        "motion": lambda: motion_kernels(length, angle, side),
        "lens": lambda: lens(1.0),
        "shake": shake,
        "lens_shake": lens_shake,
    }
    return _each_of_its_kind(kind, makers, side, device)


def _each_of_its_kind(
    kind: Tensor, makers: dict[str, Callable[[], Tensor]], side: int, device: torch.device
) -> Tensor:
    """Kernels (B, side, side), each by the maker of its kind; a point where there is none."""
    kernels = torch.zeros(len(kind), side, side, device=device)
    kernels[:, side // 2, side // 2] = 1
    for name, make in makers.items():
        chosen = kind == KINDS.index(name)
        if bool(chosen.any()):
            kernels = torch.where(upload(chosen, device).view(-1, 1, 1), make(), kernels)
    return kernels


def _windows(x: Tensor, kernels: Tensor, cut: int) -> Tensor:
    """Blur, without `cut` pixels at each border; what lies beyond the border is reflected."""
    radius = kernels.shape[-1] // 2
    if radius > cut:
        x = functional.pad(x, (radius - cut,) * 4, mode="reflect")
    return _cut(convolve(x, kernels), max(0, cut - radius))


def _cut(x: Tensor, border: int) -> Tensor:
    h, w = x.shape[-2:]
    return x[..., border : h - border, border : w - border]


def _resized_and_back(x: Tensor, size: float, name: Filter) -> Tensor:
    height, width = x.shape[-2:]
    other = (max(1, round(side * size)) for side in (height, width))
    return _rounded(resize(_rounded(resize(x, *other, filter=name)), height, width))


def _rounded(x: Tensor) -> Tensor:
    return x.clamp(0, 1).mul_(255).round_().div_(255)
