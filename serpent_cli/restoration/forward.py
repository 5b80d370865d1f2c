"""Tiles through the network, and the contract around it: pad, run, check, crop, clamp."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from serpent_cli.errors import PictureError
from serpent_cli.imaging.picture import Samples
from serpent_cli.model.unet import enlarge
from serpent_cli.restoration.device_copies import DeviceCopies
from serpent_cli.restoration.tensors import (
    host_tensor,
    pad_to_multiple,
    to_input,
    to_output,
    to_samples,
)

FLAT_INPUT, FLAT_OUTPUT = 16 / 255, 1e-4
"""An output that varies by less than this, of an input that varies by more, is a failure."""

CPU = torch.device("cpu")
FLOAT = np.dtype(np.float32)


class Forward:
    """Runs a network on tiles of any size and depth, and believes nothing that it returns.

    Args:
        model: Maps (1, 3, H, W) in [0, 1] to (1, 3, H·scale, W·scale).
        name: What to call it in errors.
        scale: Output pixels per input pixel and axis.
        multiple: H and W must be multiples of this.
        dtype: fp32, or bf16 for autocast.
        device: Where the network lies.
        strength: Share of the network's change that is made, 0 to 1; the rest of the result is the
            input, bicubically enlarged.
    """

    def __init__(
        self,
        model: nn.Module,
        name: str,
        scale: int,
        multiple: int,
        dtype: torch.dtype,
        device: torch.device = CPU,
        strength: float = 1.0,
    ) -> None:
        self.model, self.name, self.scale = model, name, scale
        self.multiple, self.dtype, self.device = multiple, dtype, device
        self.strength = strength
        self.copies = DeviceCopies(device)
        self._repeats: dict[torch.Size, bool] = {}

    def __call__(self, tile: Samples, depth: np.dtype[np.generic] = FLOAT) -> Samples:
        """Restore one tile.

        Args:
            tile: (h, w, 3) or a plane (h, w), any depth, any size from 1 x 1 up.
            depth: Type of the result.

        Returns:
            (h·scale, w·scale, 3), one channel for a plane: the mean of the network's.

        Raises:
            PictureError: The output is not finite, or constant where the tile is not, even in fp32.
        """
        return PendingTile(self, tile, depth).start(self.dtype).wait()

    def stream(
        self, tiles: Iterable[Samples], depth: np.dtype[np.generic] = FLOAT
    ) -> Iterator[Samples]:
        """Restore tiles in their order; see `__call__`.

        On a device each tile is under way while the one before it is taken from here.
        """
        ahead = 0 if self.device.type == "cpu" else 1
        under_way: deque[PendingTile] = deque()
        for tile in tiles:
            under_way.append(PendingTile(self, tile, depth).start(self.dtype))
            if len(under_way) > ahead:
                yield under_way.popleft().wait()
        while under_way:
            yield under_way.popleft().wait()

    def batch(self, tiles: Sequence[Samples]) -> list[Samples]:
        """Restore tiles of one padded shape at once, each to its own depth; see `__call__`."""
        pending = [PendingTile(self, tile, tile.dtype) for tile in tiles]
        outputs = self._outputs(torch.cat([each.padded for each in pending]))
        return [each.take(own).wait() for each, own in zip(pending, outputs, strict=True)]

    def _outputs(self, given: Tensor) -> Iterator[Tensor]:
        """What the network makes of each of (B, 3, H, W), to the same bits as of it alone.

        A library may sum in another order when it is given more at once. For every new shape the
        first is therefore tried alone too; where a bit differs, each has to go alone. In bf16 the
        first proves nothing: rounding hides another order in most pictures, but not in all.
        """
        if self.dtype == torch.float32 and self._repeats.get(given.shape, True):
            output = self.run(given, self.dtype)
            if given.shape not in self._repeats:
                alone = self.run(given[:1], self.dtype)
                self._repeats[given.shape] = torch.equal(output[:1], alone)
            if self._repeats[given.shape]:
                return iter(output.split(1))
        return (self.run(one, self.dtype) for one in given.split(1))

    @torch.inference_mode()
    def run(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """The network alone: (B, 3, H, W) to (B, 3, H·scale, W·scale)."""
        half = dtype != torch.float32
        with torch.autocast(x.device.type, dtype=dtype, enabled=half):
            return self.model(x)


class PendingTile:
    """One tile on its way: a device has its work queued, and nothing is waited for until `wait`.

    Args:
        forward: The network.
        tile: (h, w, 3) or a plane (h, w).
        depth: Type of the result.
    """

    def __init__(self, forward: Forward, tile: Samples, depth: np.dtype[np.generic]) -> None:
        self.forward, self.depth, self.grey = forward, depth, tile.ndim == 2
        self.size = tile.shape[0] * forward.scale, tile.shape[1] * forward.scale
        given = to_input(forward.copies.upload(host_tensor(tile)))
        self.padded = pad_to_multiple(given, forward.multiple)

    def start(self, dtype: torch.dtype) -> Self:
        """Queue the network's work on this tile alone."""
        return self.take(self.forward.run(self.padded, dtype))

    @torch.inference_mode()
    def take(self, output: Tensor) -> Self:
        """Queue what follows the network's output (1, 3, H·scale, W·scale)."""
        (height, width), copies = self.size, self.forward.copies
        self.extremes = copies.download(extremes(self.padded, output))
        if self.forward.strength < 1:
            given = enlarge(self.padded, self.forward.scale)
            output = torch.lerp(given, output.float(), self.forward.strength)
        output = output[..., :height, :width]
        output = (output.mean(1, keepdim=True) if self.grey else output).clamp(0, 1)
        self.result = copies.download(to_output(output, self.depth))
        return self

    def wait(self) -> Samples:
        """Wait for the result, and try again in fp32 if it is not usable."""
        reason = defect(self.extremes.wait())
        if reason is not None and self.forward.dtype != torch.float32:
            self.start(torch.float32)
            reason = defect(self.extremes.wait())
        if reason is not None:
            raise PictureError(
                f"the model {self.forward.name} gave an unusable result: {reason}",
                hint="this should not happen; please report the picture and the model",
            )
        return to_samples(self.result.wait(), self.depth)


def extremes(given: Tensor, output: Tensor) -> Tensor:
    """(4, 3): least and largest value of each channel, of a network's input and of its output."""
    bounds = (bound for x in (given, output) for bound in (x.amin((0, 2, 3)), x.amax((0, 2, 3))))
    return torch.stack([bound.float() for bound in bounds])


def defect(bounds: Tensor) -> str | None:
    """What is wrong with an output by its `extremes`: not finite, or flat although the input isn't.

    Channel by channel: a picture of one colour varies only between its channels.
    """
    if not bool(torch.isfinite(bounds[2:]).all()):
        return "it is not finite"
    given, output = (float((high - low).max()) for low, high in (bounds[:2], bounds[2:]))
    if output >= FLAT_OUTPUT or given <= FLAT_INPUT:
        return None
    return "it is constant where the picture is not"


def out_of_memory(error: Exception) -> bool:
    """Whether an error means that memory ran out, on a CPU or an accelerator."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # torch's CPU allocator and oneDNN raise bare RuntimeErrors.
    text = str(error)
    return any(sign in text for sign in ("allocate memory", "bad_alloc", "out of memory"))
