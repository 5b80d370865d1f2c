"""One tile through the network, and the contract around it: pad, run, check, crop, clamp."""

import torch
from torch import Tensor, nn

from serpent_cli.errors import PictureError
from serpent_cli.restore.tensors import pad_to_multiple

FLAT_INPUT, FLAT_OUTPUT = 16 / 255, 1e-4
"""An output that varies by less than this, of an input that varies by more, is a failure."""


class Forward:
    """Runs a network on tiles of any size, and believes nothing that it returns.

    Args:
        model: Maps (1, 3, H, W) in [0, 1] to (1, 3, H·scale, W·scale).
        name: What to call it in errors.
        scale: Output pixels per input pixel and axis.
        multiple: H and W must be multiples of this.
        dtype: fp32, or bf16 for autocast.
    """

    def __init__(
        self, model: nn.Module, name: str, scale: int, multiple: int, dtype: torch.dtype
    ) -> None:
        self.model, self.name, self.scale = model, name, scale
        self.multiple, self.dtype = multiple, dtype

    @torch.inference_mode()
    def __call__(self, tile: Tensor, *, grey: bool = False) -> Tensor:
        """Restore one tile.

        Args:
            tile: (1, 3, h, w) in [0, 1], any size from 1 x 1 up.
            grey: Average the channels of the output.

        Returns:
            (1, 3, h·scale, w·scale) in [0, 1], one channel if `grey`.

        Raises:
            PictureError: The output is not finite, or constant where the tile is not, even in fp32.
        """
        height, width = tile.shape[-2] * self.scale, tile.shape[-1] * self.scale
        padded = pad_to_multiple(tile, self.multiple)
        output = self.run(padded, self.dtype)
        reason = defect(padded, output)
        if reason is not None and self.dtype != torch.float32:
            output = self.run(padded, torch.float32)
            reason = defect(padded, output)
        if reason is not None:
            raise PictureError(
                f"the model {self.name} gave an unusable result: {reason}",
                hint="this should not happen; please report the picture and the model",
            )
        output = output[..., :height, :width]
        return (output.mean(1, keepdim=True) if grey else output).clamp(0, 1)

    @torch.inference_mode()
    def run(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """The network alone: (1, 3, H, W) to (1, 3, H·scale, W·scale)."""
        half = dtype != torch.float32
        with torch.autocast(x.device.type, dtype=dtype, enabled=half):
            return self.model(x)


def defect(given: Tensor, output: Tensor) -> str | None:
    """What is wrong with a network's output: not finite, or flat although the input is not."""
    low, high = output.amin((0, 2, 3)), output.amax((0, 2, 3))
    if not bool(torch.isfinite(low).all() & torch.isfinite(high).all()):
        return "it is not finite"
    # Channel by channel: a picture of one colour varies only between its channels.
    if float((high - low).max()) >= FLAT_OUTPUT:
        return None
    varied = (given.amax((0, 2, 3)) - given.amin((0, 2, 3))).max()
    return "it is constant where the picture is not" if float(varied) > FLAT_INPUT else None


def out_of_memory(error: Exception) -> bool:
    """Whether an error means that memory ran out, on a CPU or an accelerator."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # torch's CPU allocator and oneDNN raise bare RuntimeErrors.
    text = str(error)
    return any(sign in text for sign in ("allocate memory", "bad_alloc", "out of memory"))
