"""`Restorer`: a picture in, the restored one out; the contract that stands before the network."""

import dataclasses
import time
from collections.abc import Callable
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from serpent_cli.errors import PictureError, SerpentError, UsageError
from serpent_cli.imaging.alpha import fill_transparent
from serpent_cli.imaging.colour import to_depth
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.model.limits import inference_bytes_per_pixel, size_multiple
from serpent_cli.restore.device import choose_device
from serpent_cli.restore.memory import default_budget
from serpent_cli.restore.plan import Costs, Plan, make_plan, plan_spans, smaller
from serpent_cli.restore.tensors import pad_to_multiple, to_array, to_tensor
from serpent_cli.tiling.blend import BandBlender
from serpent_cli.zoo.card import Card
from serpent_cli.zoo.load import load_model

OnTile = Callable[[int, int], None]
Region = tuple[int, int, int, int]

FLAT_INPUT, FLAT_OUTPUT = 16 / 255, 1e-4  # an output this flat of an input this varied is a failure


class Restorer:
    """Restores pictures with one network on one device.

    Any size from 1 x 1 up; grey stays grey, depth stays depth, alpha is restored beside the
    colours, metadata is carried through.

    Args:
        model: Maps (1, 3, H, W) in [0, 1] to (1, 3, H·scale, W·scale).
        card: What is known about its weights.
        device: Where it lies.
        max_memory: Bytes that the process may reach; by default a fixed share of the machine's.
        tile: `auto`, `whole`, or the side of a tile in input pixels.
        dtype: fp32, or bf16 for autocast; whatever is not finite is tried again in fp32.
    """

    def __init__(
        self,
        model: nn.Module,
        card: Card,
        *,
        device: torch.device | None = None,
        max_memory: int | None = None,
        tile: str | int = "auto",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.model, self.card, self.dtype, self.tile = model, card, dtype, tile
        self.device = device or torch.device("cpu")
        self.budget = max_memory if max_memory is not None else default_budget()
        self.costs = Costs(
            scale=card.scale,
            multiple=size_multiple(card.config),
            margin=card.margin,
            bytes_per_pixel=inference_bytes_per_pixel(card.config, dtype),
            weight_bytes=4 * sum(p.numel() for p in model.parameters()),
        )

    @classmethod
    def load(
        cls,
        model: str,
        *,
        device: str = "auto",
        max_memory: int | None = None,
        tile: str | int = "auto",
    ) -> Self:
        """Load weights by name or path and make them ready.

        Raises:
            ModelError: Unknown, missing or corrupt weights.
            DeviceError: A forced device that this machine does not have.
        """
        chosen = choose_device(device)
        network, card = load_model(model, chosen)
        return cls(network, card, device=chosen, max_memory=max_memory, tile=tile)

    @property
    def scale(self) -> int:
        """Output pixels per input pixel and axis."""
        return self.card.scale

    def plan(self, height: int, width: int, *, sample_bytes: int = 1, channels: int = 3) -> Plan:
        """How a picture of this size will be restored; see `restore.plan.make_plan`."""
        return make_plan(
            height, width, self.costs, self.budget, self.tile,
            sample_bytes=sample_bytes, channels=channels,
        )  # fmt: skip

    def seconds_per_megapixel(self) -> float:
        """Seconds for 2^20 input pixels, measured on a small tile (the second of two runs)."""
        side = -(-192 // self.costs.multiple) * self.costs.multiple
        tile = torch.rand(1, 3, side, side, device=self.device)
        seconds = 0.0
        for _ in range(2):
            begun = time.perf_counter()
            self._forward(tile, self.dtype)
            seconds = time.perf_counter() - begun
        return seconds * 2**20 / side**2

    def restore(
        self, picture: Picture, *, region: Region | None = None, on_tile: OnTile | None = None
    ) -> Picture:
        """Restore one picture.

        Args:
            picture: Any depth and size.
            region: (x, y, w, h) in input pixels: restore only that part, with context around it.
            on_tile: Called with (tiles done, tiles in all), alpha's included.

        Returns:
            The restored picture, `scale` times as large as the input or its region.

        Raises:
            UsageError: The region does not lie inside the picture.
            PictureError: The network's output is not usable, even in fp32.
            SerpentError: Memory ran out even with the smallest tile.
        """
        inner = None
        if region is not None:
            picture, inner = self._cut_region(picture, region)
        source = picture
        if picture.alpha is not None:
            filled = fill_transparent(picture.pixels, picture.alpha)
            source = dataclasses.replace(picture, pixels=filled)
        varied = picture.alpha is not None and picture.alpha.min() != picture.alpha.max()
        progress = _Progress(on_tile, planes=2 if varied else 1)
        pixels = self._restore_samples(source.pixels, picture, progress)
        alpha = self._restore_alpha(picture, varied, progress)
        if inner is not None:
            s, (x, y, w, h) = self.scale, inner
            window = slice(y * s, (y + h) * s), slice(x * s, (x + w) * s)
            pixels = pixels[window].copy()
            alpha = None if alpha is None else alpha[window].copy()
        return dataclasses.replace(picture, pixels=pixels, alpha=alpha)

    def _restore_alpha(
        self, picture: Picture, varied: bool, progress: "_Progress"
    ) -> Samples | None:
        """Alpha through the network as a grey picture; a constant one needs no network."""
        if picture.alpha is None:
            return None
        if varied:
            grey = dataclasses.replace(picture, grey=True)
            return self._restore_samples(picture.alpha, grey, progress)[..., 0].copy()
        shape = (picture.height * self.scale, picture.width * self.scale)
        return np.full(shape, picture.alpha.flat[0], picture.alpha.dtype)

    def _restore_samples(
        self, samples: Samples, picture: Picture, progress: "_Progress"
    ) -> Samples:
        """Restore (H, W, 3) or (H, W); after memory runs out with ever smaller tiles."""
        plan = self.plan(
            picture.height, picture.width, sample_bytes=samples.dtype.itemsize,
            channels=3 if picture.alpha is None else 4,
        )  # fmt: skip
        while True:
            try:
                return self._run_plan(samples, plan, picture.grey, progress)
            except (MemoryError, RuntimeError) as error:
                if not _out_of_memory(error):
                    raise
                side = smaller(plan, self.costs)
                if side is None:
                    raise SerpentError(
                        "memory ran out even with the smallest tile",
                        hint="close other programs, or restore a part with --region",
                    ) from error
            plan = make_plan(picture.height, picture.width, self.costs, self.budget, side)

    def _run_plan(self, samples: Samples, plan: Plan, grey: bool, progress: "_Progress") -> Samples:
        rows, columns = plan_spans(plan, self.costs.multiple)
        s = self.scale
        result = np.empty((plan.height * s, plan.width * s, 3), samples.dtype)
        blender = BandBlender(rows, columns, s) if plan.tiles > 1 else None
        progress.start(plan.tiles)
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                tile = samples[row.start : row.stop, column.start : column.stop]
                restored = self._run_tile(to_tensor(tile, self.device), grey)
                if blender is None:
                    result[:] = to_depth(restored, samples.dtype)
                else:
                    blender.add(i, j, restored)
                progress.step()
            if blender is not None:
                top, band = blender.finish_row(i)
                result[top : top + len(band)] = to_depth(band, samples.dtype)
                blender.release_row(i)
        return result

    def _run_tile(self, tile: Tensor, grey: bool) -> NDArray[np.float32]:
        """Pad, run, check, clamp and crop one tile (1, 3, h, w); (h·scale, w·scale, 3)."""
        height, width = tile.shape[-2] * self.scale, tile.shape[-1] * self.scale
        padded = pad_to_multiple(tile, self.costs.multiple)
        output = self._forward(padded, self.dtype)
        reason = _defect(padded, output)
        if reason is not None and self.dtype != torch.float32:
            output = self._forward(padded, torch.float32)
            reason = _defect(padded, output)
        if reason is not None:
            raise PictureError(
                f"the model {self.card.name} gave an unusable result: {reason}",
                hint="this should not happen; please report the picture and the model",
            )
        output = output[..., :height, :width]
        if grey:
            output = output.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        return to_array(output.clamp(0, 1))

    def _forward(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        half = dtype != torch.float32
        with torch.inference_mode(), torch.autocast(x.device.type, dtype=dtype, enabled=half):
            return self.model(x)

    def _cut_region(self, picture: Picture, region: Region) -> tuple[Picture, Region]:
        """The part of the picture that a region needs, and the region's place in it."""
        x, y, w, h = region
        if min(x, y) < 0 or min(w, h) < 1 or x + w > picture.width or y + h > picture.height:
            raise UsageError(
                f"the region {x},{y},{w},{h} does not lie in the {picture.width} x"
                f" {picture.height} picture",
                hint="--region takes x,y,width,height in pixels of the input",
            )
        multiple, margin = self.costs.multiple, self.costs.margin
        # The cut starts on the network's grid, so that it sees what it would see in the whole.
        left, top = (max(0, v - margin) // multiple * multiple for v in (x, y))
        right, bottom = min(picture.width, x + w + margin), min(picture.height, y + h + margin)
        window = slice(top, bottom), slice(left, right)
        alpha = None if picture.alpha is None else picture.alpha[window]
        part = dataclasses.replace(picture, pixels=picture.pixels[window], alpha=alpha)
        return part, (x - left, y - top, w, h)


class _Progress:
    """Counts tiles over one or two planes (colours, alpha) for a caller."""

    def __init__(self, on_tile: OnTile | None, planes: int) -> None:
        self.on_tile, self.planes, self.plane = on_tile, planes, -1
        self.done = self.tiles = 0

    def start(self, tiles: int) -> None:
        """A plane begins, or begins anew with smaller tiles."""
        self.plane = min(self.plane + 1, self.planes - 1)
        self.tiles, self.done = tiles, self.plane * tiles

    def step(self) -> None:
        """One tile is done."""
        self.done += 1
        if self.on_tile is not None:
            self.on_tile(min(self.done, self.tiles * self.planes), self.tiles * self.planes)


def _defect(given: Tensor, output: Tensor) -> str | None:
    """What is wrong with a network's output: not finite, or flat although the input is not."""
    low, high = output.aminmax()
    if not bool(torch.isfinite(low) & torch.isfinite(high)):
        return "it is not finite"
    least, most = given.aminmax()
    if float(high - low) < FLAT_OUTPUT and float(most - least) > FLAT_INPUT:
        return "it is constant where the picture is not"
    return None


def _out_of_memory(error: Exception) -> bool:
    """Whether an error means that memory ran out, on a CPU or an accelerator."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return "allocate memory" in str(error)  # torch's CPU allocator raises a bare RuntimeError
