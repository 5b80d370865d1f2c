"""`Restorer`: a picture in, the restored one out; the contract that stands before the network."""

import dataclasses
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

import numpy as np
import torch
from torch import nn

from serpent_cli.errors import ModelError, SerpentError
from serpent_cli.imaging.colour import grey_to_rgb, to_depth
from serpent_cli.imaging.in_memory import like, to_picture
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.restoration.allocator import reused_memory
from serpent_cli.restoration.arguments import check_arguments
from serpent_cli.restoration.device import (
    VRAM_SHARE,
    choose_device,
    choose_precision,
    device_memory,
    limit_device_memory,
)
from serpent_cli.restoration.difference import RestoredPicture, compared
from serpent_cli.restoration.footprint import Streams
from serpent_cli.restoration.forward import FLOAT, Forward
from serpent_cli.restoration.memory_budget import budget_or_default, default_budget, memory_of
from serpent_cli.restoration.plan import Costs, Plan, make_plan, next_plan
from serpent_cli.restoration.region import Region, cut, region_part
from serpent_cli.restoration.retry import in_smaller_tiles
from serpent_cli.restoration.tensors import visible_samples
from serpent_cli.tiling.blend import OnTile, blended, in_order
from serpent_cli.tiling.grid import rounded_up
from serpent_cli.zoo.card import Card
from serpent_cli.zoo.load import load_model
from serpent_cli.zoo.locate import Located

if TYPE_CHECKING:
    from PIL.Image import Image

Form = TypeVar("Form", Samples, Picture, "Image")
"""In what a picture is given and returned."""

KEPT_BYTES = 256 * 2**20
"""A picture whose feature maps take no more than this leaves its memory to the next one."""

SMALL_BYTES = 8 * 2**20
"""Pictures whose feature maps take no more than this are restored together: one of them does not
keep the cores busy. `python -m bench network` measures the gain, which larger maps do not show.
"""

BATCH_SIZE = 8
"""Most pictures that are restored at once."""


class Restorer:
    """Restores pictures with one network on one device.

    Any size from 1 x 1 up; grey stays grey, depth stays depth, alpha is restored beside the
    colours, metadata is carried through.

    Args:
        model: Maps (1, 3, H, W) in [0, 1] to (1, 3, H·scale, W·scale).
        card: What is known about its weights.
        device: Where it lies.
        max_memory: Bytes that the process may reach; by default a fixed share of the machine's.
        max_vram: Bytes that may be taken of the device's own memory, where it has any; by default
            a fixed share of it.
        tile: `auto`, `whole`, or the side of a tile in input pixels.
        dtype: fp32, or bf16 for autocast; whatever is not finite is tried again in fp32.
        strength: Share of the network's change that is made, 0 to 1.
        reserved: Bytes of `max_memory` that others in the process may take meanwhile.
    """

    def __init__(
        self,
        model: nn.Module,
        card: Card,
        *,
        device: torch.device | None = None,
        max_memory: int | None = None,
        max_vram: int | None = None,
        tile: str | int = "auto",
        dtype: torch.dtype = torch.float32,
        strength: float = 1.0,
        reserved: int = 0,
    ) -> None:
        if card.config.channels != 3:
            raise ModelError(
                f"the model {card.name} is for cubes of many bands, not for photographs",
                hint=f"`serpent {card.task}` uses it",
            )
        self.card, self.tile = card, tile
        self.device = device or torch.device("cpu")
        # A tile that is demanded without a budget is taken at its word.
        default = default_budget() if tile == "auto" else None
        self.budget = default if max_memory is None else max_memory
        self.vram = self._vram_budget(max_vram)
        # A CPU keeps what is not a product in fp32: it is planned for, whatever the type.
        held = torch.float32 if self.device.type == "cpu" else dtype
        self.costs = Costs.of(model, card, held, reserved)
        self.forward = Forward(
            model, card.name, card.scale, self.costs.multiple, dtype, self.device, strength
        )

    @classmethod
    def from_pretrained(
        cls,
        model: str | Located,
        *,
        device: str = "auto",
        precision: str = "auto",
        max_memory: int | str | None = None,
        max_vram: int | str | None = None,
        tile: str | int = "auto",
        strength: float = 1.0,
        reserved: int = 0,
    ) -> Self:
        """Load weights and make them ready.

        Args:
            model: A name, hf://owner/repo[@revision][/file], or a path to .safetensors; what is not
                here is fetched. Or what `zoo.locate.locate` has found.
            device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps` or `xpu`.
            precision: `auto`, `fp32` or `bf16`.
            max_memory: Bytes that the process may reach, also as text such as `2G`; None for most
                of the machine's.
            max_vram: The same of a device's own memory.
            tile: `auto`, `whole`, or the side of a tile in input pixels.
            strength: Share of the change to make, 0 to 1.
            reserved: Bytes of `max_memory` that others in the process may take meanwhile.

        Raises:
            ModelError: Unknown, missing or corrupt weights.
            DeviceError: A forced device that this machine does not have.
            UsageError: An unknown precision, or a number or text that makes no sense.
        """
        memory, vram = memory_of(max_memory), memory_of(max_vram)
        check_arguments(tile, strength)
        chosen = choose_device(device)
        dtype = choose_precision(precision, chosen)
        network, card = load_model(model, chosen)
        return cls(
            network, card, device=chosen, max_memory=memory, max_vram=vram, tile=tile,
            dtype=dtype, strength=strength, reserved=reserved,
        )  # fmt: skip

    def _vram_budget(self, demanded: int | None) -> int | None:
        """Bytes to plan with of the device's own memory; None where it shares the machine's."""
        total = device_memory(self.device)
        if total is None:
            return None
        if demanded is not None:
            limit_device_memory(self.device, demanded)
            return demanded
        return int(total * VRAM_SHARE) if self.tile == "auto" else sys.maxsize

    @property
    def scale(self) -> int:
        """Output pixels per input pixel and axis."""
        return self.card.scale

    @property
    def room(self) -> int:
        """Bytes of the budget, or of the default one, that pictures may take."""
        return budget_or_default(self.budget) - self.costs.base_bytes

    def plan(
        self,
        height: int,
        width: int,
        *,
        sample_bytes: int = 1,
        channels: int = 3,
        streams: Streams | None = None,
    ) -> Plan:
        """How a picture of this size will be restored; see `restoration.plan.make_plan`."""
        return make_plan(
            height, width, self.costs, self.budget, self.tile, vram=self.vram,
            sample_bytes=sample_bytes, channels=channels, streams=streams,
        )  # fmt: skip

    def plan_of(self, picture: Picture, count: int = 1) -> Plan:
        """How so many such pictures, one below the other, will be restored."""
        return self.plan(
            picture.height * count, picture.width, sample_bytes=picture.pixels.itemsize,
            channels=picture.samples_per_pixel,
        )  # fmt: skip

    def smaller_plan(self, plan: Plan, streams: Streams | None = None) -> Plan | None:
        """What follows a plan for which memory did not suffice; None if nothing does."""
        return next_plan(plan, self.costs, apart=self.vram is not None, streams=streams)

    def seconds_per_megapixel(self) -> float:
        """Seconds for 2^20 input pixels, measured on a small tile (the second of two runs)."""
        side = rounded_up(192, self.costs.multiple)
        tile = np.random.default_rng(0).random((side, side, 3), np.float32)
        seconds = 0.0
        for _ in range(2):
            begun = time.perf_counter()
            self.forward(tile)
            seconds = time.perf_counter() - begun
        return seconds * 2**20 / side**2

    @overload
    def __call__(self, image: str | Path) -> Picture: ...

    @overload
    def __call__(self, image: Form) -> Form: ...

    def __call__(self, image: Any) -> Any:
        """Restore what holds a picture, and return it in the same form; see `api.restore`."""
        return like(self.restore(to_picture(image)), image)

    def restore(
        self, picture: Picture, *, region: Region | None = None, on_tile: OnTile | None = None
    ) -> RestoredPicture:
        """Restore one picture.

        Args:
            picture: Any depth and size.
            region: (x, y, w, h) in input pixels: restore only that part, with context around it.
            on_tile: Called with (tiles done, tiles in all), alpha's included.

        Returns:
            The restored picture, `scale` times as large as the input or its region; where that is
            the same size, with what was changed, and a warning if that is hardly anything.

        Raises:
            UsageError: The region does not lie inside the picture.
            PictureError: The network's output is not usable, even in fp32.
            SerpentError: Memory ran out even with the smallest tile.
        """
        if region is None:
            return self._compared(picture.pixels, self._restore(picture, on_tile))
        around, (x, y, w, h) = region_part(picture.height, picture.width, region, self.costs)
        part = cut(picture, around)
        restored, s = self._restore(part, on_tile), self.scale
        window = slice(y * s, (y + h) * s), slice(x * s, (x + w) * s)
        alpha = None if restored.alpha is None else restored.alpha[window].copy()
        wanted = dataclasses.replace(restored, pixels=restored.pixels[window].copy(), alpha=alpha)
        return self._compared(part.pixels[y : y + h, x : x + w], wanted)

    def fits_in_batch(self, picture: Picture) -> bool:
        """Whether a picture may be one of those that `restore_batch` restores.

        In bf16 none is: see `Forward._outputs`.
        """
        if self.forward.dtype != torch.float32:
            return False
        needed = picture.height * picture.width * self.costs.bytes_per_pixel
        if picture.alpha is not None or needed > SMALL_BYTES:
            return False
        try:
            return self.plan(BATCH_SIZE * picture.height, picture.width).tiles == 1
        except SerpentError:  # its memory must suffice for all of them
            return False

    def grid_size(self, picture: Picture) -> tuple[int, int]:
        """Rows and columns of a whole picture as the network sees it, padded to its grid."""
        multiple = self.costs.multiple
        return rounded_up(picture.height, multiple), rounded_up(picture.width, multiple)

    def restore_batch(self, pictures: Sequence[Picture]) -> list[RestoredPicture]:
        """Restore at most `BATCH_SIZE` small pictures at once, to the same bits as one by one.

        Args:
            pictures: Each `fits_in_batch`, and all have one `grid_size`.

        Raises:
            PictureError: The network's output for one of them is not usable, even in fp32.
        """
        with reused_memory(hand_back=False):
            restored = self.forward.batch([visible_samples(picture) for picture in pictures])
        return [
            self._compared(
                picture.pixels,
                _finished(picture, pixels[..., 0] if picture.grey else pixels, None),
            )
            for picture, pixels in zip(pictures, restored, strict=True)
        ]

    def _restore(self, picture: Picture, on_tile: OnTile | None) -> Picture:
        plan = self.plan_of(picture)
        alpha = picture.alpha
        constant = alpha is None or alpha.min() == alpha.max()
        # Large maps make way for the codec; small ones stay mapped for the next picture.
        large = plan.pixels * self.costs.bytes_per_pixel > KEPT_BYTES
        with reused_memory(hand_back=large):
            planes = [visible_samples(picture)]
            if alpha is not None and not constant:
                planes.append(alpha)
            pixels, *others = in_smaller_tiles(
                lambda plan: self._run(planes, plan, on_tile), plan, self.smaller_plan
            )
            if alpha is not None and constant:  # a constant plane needs no network
                alpha = np.full(pixels.shape[:2], alpha.flat[0], alpha.dtype)
            elif alpha is not None:
                alpha = others[0]
        return _finished(picture, pixels, alpha)

    def _compared(self, given: Samples, restored: Picture) -> RestoredPicture:
        """With what was changed, where the sizes allow to say it."""
        like = given if self.scale == 1 else None
        return compared(like, restored, self.forward.strength)

    def _run(self, planes: list[Samples], plan: Plan, on_tile: OnTile | None) -> list[Samples]:
        """Restore planes (H, W, 3) or (H, W) that lie over each other."""
        rows, columns, s, depth = plan.rows, plan.columns, self.scale, planes[0].dtype
        channels = [1 if plane.ndim == 2 else 3 for plane in planes]
        results = [np.empty((plan.height * s, plan.width * s, each), depth) for each in channels]
        tiles = (
            planes[plane][rows[i].start : rows[i].stop, columns[j].start : columns[j].stop]
            for i, plane, j in in_order(rows, columns, len(planes))
        )
        restored = self.forward.stream(tiles, depth if plan.tiles == 1 else FLOAT)
        for block in blended(restored, rows, columns, s, channels, on_tile):
            if plan.tiles == 1:
                results[block.plane] = block.samples
            else:
                results[block.plane][block.place] = to_depth(block.samples, depth)
        return [
            result[..., 0] if plane.ndim == 2 else result
            for result, plane in zip(results, planes, strict=True)
        ]


def _finished(picture: Picture, pixels: Samples, alpha: Samples | None) -> Picture:
    """The input with the result in its place."""
    pixels = grey_to_rgb(pixels) if picture.grey else pixels
    return dataclasses.replace(picture, pixels=pixels, alpha=alpha)


@dataclass(frozen=True, kw_only=True)
class RestorerSettings:
    """Arguments of `Restorer.from_pretrained`, fields as there, to be sent to where it is made."""

    model: str | Located
    device: str = "auto"
    precision: str = "auto"
    max_memory: int | None = None
    max_vram: int | None = None
    tile: str | int = "auto"
    strength: float = 1.0
    reserved: int = 0

    def load(self) -> Restorer:
        """The restorer; errors as of `Restorer.from_pretrained`."""
        return Restorer.from_pretrained(**vars(self))
