"""The parts of the U-Net around its blocks: patches in and out, merge, expand, join, feed-forward.

Inside the network tensors are channels-last (B, H, W, C); only `Patchifier` and `Depatchifier` see
(B, 3, H, W), or other pictures' channels. Merge and expand follow Swin-UNet (2105.05537) and
HUMUS-Net (arXiv 2203.08213) of Serpent's authors; the Serpent paper (arXiv 2403.17902) leaves them
open. Theirs normalise, ours do not: a layer norm on the way from picture to picture forgets the
local contrast, and with it how strongly to sharpen.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.model.config import Border, Join
from serpent_cli.ops.passes import depthwise_silu, gated_norm


def channels_first(x: Tensor) -> Tensor:
    """View (B, H, W, C) as (B, C, H, W) without moving a byte (channels_last memory format)."""
    return x.permute(0, 3, 1, 2)


def channels_last(x: Tensor) -> Tensor:
    """View (B, C, H, W) as a contiguous (B, H, W, C); copies only if the memory is not so."""
    return x.permute(0, 2, 3, 1).contiguous()


def single(x: Tensor) -> Tensor:
    """The numbers in fp32, or in fp64 if they are: for what half precision would spoil."""
    return x if x.dtype == torch.float64 else x.float()


def silu(x: Tensor) -> Tensor:
    """x·sigmoid(x); overwrites x where no gradient will ask for it, which saves a pass over it."""
    return functional.silu(x, inplace=not x.requires_grad)


def gated(y: Tensor, z: Tensor) -> Tensor:
    """y·SiLU(z), VMamba's gate; overwrites y where no gradient will ask for it."""
    gate = silu(z)
    return y * gate if y.requires_grad else y.mul_(gate)


class LayerNorm(nn.LayerNorm):
    """Norm over the channels of (..., C), times SiLU of a gate where there is one (VMamba's)."""

    def forward(
        self, input: Tensor, gate: Tensor | None = None, *, overwrite: bool = False
    ) -> Tensor:
        """Normalise (..., C); `gate` is as large. `overwrite`: nobody else needs the input."""
        return gated_norm(input, self.weight, self.bias, gate, self.eps, overwrite=overwrite)


class DepthwiseConv(nn.Conv2d):
    """Depthwise convolution on (B, H, W, C), zero-padded at the border; then SiLU, if asked.

    Args:
        channels: C.
        side: Of the kernel, odd; SiLU goes with 3.
        silu: Whether it follows.
    """

    def __init__(self, channels: int, side: int = 3, *, silu: bool = False) -> None:
        super().__init__(channels, channels, side, padding=side // 2, groups=channels)
        self.silu = silu

    def forward(self, input: Tensor) -> Tensor:
        """Filter every channel of (B, H, W, C) by its own kernel."""
        if self.silu:
            assert self.bias is not None
            return depthwise_silu(input, self.weight, self.bias)
        return channels_last(super().forward(channels_first(input)))


class RootNorm(nn.Module):
    """x over its root mean square, scaled and moved (EVSSM, arXiv 2405.14343); C is last."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise every token of (B, H, W, C)."""
        return functional.rms_norm(single(x), self.weight.shape, self.weight, 1e-6) + self.bias


class Patchifier(nn.Module):
    """Picture (B, 3, H, W) to tokens (B, H/p, W/p, C): p x p pixels each, with their neighbours."""

    def __init__(
        self, patch_size: int, width: int, border: Border = "zeros", channels: int = 3
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.embed = nn.Conv2d(channels * patch_size**2, width, 3, padding=1, padding_mode=border)

    def forward(self, picture: Tensor) -> Tensor:
        """Embed (B, 3, H, W) in [0, 1]; H and W multiples of the patch size."""
        pixels = functional.pixel_unshuffle(picture, self.patch_size)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        return channels_last(self.embed(pixels))


class Depatchifier(nn.Module):
    """Tokens (B, h, w, C) to a picture (B, 3, h·g, w·g), g = patch size times scale.

    Runs in fp32 whatever the autocast type: bf16 in the last convolution bands 16-bit pictures.
    """

    def __init__(self, width: int, growth: int, channels: int = 3) -> None:
        super().__init__()
        self.growth = growth
        self.project = nn.Conv2d(width, channels * growth**2, 3, padding=1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Grow every token into its square of g x g pixels, unclamped."""
        with torch.autocast(tokens.device.type, enabled=False):
            pixels = self.project(channels_first(tokens.float()))
            return functional.pixel_shuffle(pixels, self.growth)


class Merge(nn.Module):
    """Halve the token map: 2x2 tokens of C channels become one of 2C (patch merging)."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(4 * width, width_out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to (B, H/2, W/2, C'); H and W even."""
        b, h, w, c = x.shape
        squares = x.view(b, h // 2, 2, w // 2, 2, c).transpose(2, 3)
        return self.reduce(squares.reshape(b, h // 2, w // 2, 4 * c))


class Expand(nn.Module):
    """Double the token map: one token of C channels becomes 2x2 of C' (patch expanding)."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__()
        self.grow = nn.Linear(width, 4 * width_out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to (B, 2H, 2W, C')."""
        b, h, w, _ = x.shape
        squares = self.grow(x).view(b, h, w, 2, 2, -1).transpose(2, 3)
        return squares.reshape(b, 2 * h, 2 * w, -1)


class SkipJoin(nn.Module):
    """Where a skip meets the decoder: a sum, or a concatenation and a linear map back to C."""

    def __init__(self, width: int, join: Join) -> None:
        super().__init__()
        self.fuse = nn.Linear(2 * width, width, bias=False) if join == "concat" else None

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Join two (B, H, W, C) maps into one."""
        if self.fuse is None:
            return x + skip
        return self.fuse(torch.cat((x, skip), dim=-1))


class FeedForward(nn.Sequential):
    """Linear, GELU, Linear with `ratio`·C hidden channels (VMamba's MLP)."""

    def __init__(self, width: int, ratio: float) -> None:
        hidden = int(width * ratio)
        super().__init__(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    @property
    def last(self) -> nn.Module:
        """The map whose zeros make it add nothing."""
        return self[-1]
