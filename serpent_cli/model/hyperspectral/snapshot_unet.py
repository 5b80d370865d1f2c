"""The U-Net of two steps that CFSDCN and ASLE-SSM have around their blocks.

    x = W [shifted; mask],   f = LeakyReLU(LN(conv x))
    blocks and half the size, twice;  blocks;  twice the size, joined, and blocks, twice
    result = conv f + x

As in CFSDCN's published code; of ASLE-SSM's own nothing is known.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.model.layers import LayerNorm, channels_first, channels_last

BANDS = 28
EPSILON = 1e-6  # of the norms
SLOPE = 0.1
SIZE_MULTIPLE = 4


class ConvFeedForward(nn.Module):
    """1×1, GELU, depthwise 3×3, GELU, 1×1 with four times the channels; (B, H, W, C)."""

    def __init__(self, width: int, *, bias: bool) -> None:
        super().__init__()
        hidden = 4 * width
        self.expand = nn.Linear(width, hidden, bias=False)
        self.conv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden, bias=bias)
        self.reduce = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix each place's channels with a look at its neighbours."""
        hidden = functional.gelu(self.expand(x)).permute(0, 3, 1, 2)
        return self.reduce(functional.gelu(channels_last(self.conv(hidden))))


class SnapshotUNet(nn.Module):
    """Shifted snapshot and mask (B, bands, H, W) to a cube (B, bands, H, W), unclamped.

    Args:
        bands: Of the cube.
        width: C at the finest scale, doubled at each coarser one.
        depths: Blocks of the finest, the middle and the coarsest scale.
        block: A block of so many channels, (B, H, W, C) to the same.
    """

    def __init__(
        self,
        bands: int,
        width: int,
        depths: tuple[int, int, int],
        block: Callable[[int], nn.Module],
    ) -> None:
        super().__init__()
        c = width
        self.fuse = nn.Conv2d(2 * bands, bands, 1, bias=False)
        self.embed = nn.Conv2d(bands, c, 3, padding=1)
        self.norm = LayerNorm(c, eps=EPSILON)

        def blocks(level: int) -> nn.Sequential:
            return nn.Sequential(*(block(c << level) for _ in range(depths[level])))

        self.down = nn.ModuleList(blocks(level) for level in (0, 1))
        self.shrink = nn.ModuleList(
            nn.Conv2d(c << level, c << level + 1, 4, 2, 1, bias=False) for level in (0, 1)
        )
        self.bottleneck = blocks(2)
        self.enlarge = nn.ModuleList(
            nn.ConvTranspose2d(c << level + 1, c << level, 2, 2) for level in (1, 0)
        )
        self.join = nn.ModuleList(
            nn.Linear(c << level + 1, c << level, bias=False) for level in (1, 0)
        )
        self.up = nn.ModuleList(blocks(level) for level in (1, 0))
        self.output = nn.Conv2d(c, bands, 3, padding=1, bias=False)

    def forward(self, shifted: Tensor, mask: Tensor | None = None) -> Tensor:
        """Reconstruct a batch, from one tensor of both or from two.

        Args:
            shifted: (B, bands, H, W) the snapshot moved back to each band; or (B, 2 bands, H, W),
                with the mask after it.
            mask: (B, bands, H, W) the coded aperture, the same in every band.
        """
        x = self.fuse(shifted if mask is None else torch.cat((shifted, mask), 1))
        f = functional.leaky_relu(self.norm(channels_last(self.embed(x))), SLOPE)
        skips = list[Tensor]()
        for blocks, shrink in zip(self.down, self.shrink, strict=True):
            f = blocks(f)
            skips.append(f)
            f = channels_last(shrink(channels_first(f)))
        f = self.bottleneck(f)
        for enlarge, join, blocks in zip(self.enlarge, self.join, self.up, strict=True):
            f = channels_last(enlarge(channels_first(f)))
            f = blocks(join(torch.cat((f, skips.pop()), -1)))
        return self.output(channels_first(f)) + x
