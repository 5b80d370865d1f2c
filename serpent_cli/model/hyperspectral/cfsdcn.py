"""CFSDCN, deformable convolutions that reconstruct coded snapshots (code published as CFSDCN).

    x = W [shifted; mask],   f = LeakyReLU(LN(conv x))
    U-Net of two steps and blocks  f ← f + DCN(LN f),  f ← f + FF(LN f)
    result = conv f + x

DCN is deformable convolution v3 in groups of channels, FF a 1×1, GELU, depthwise 3×3, GELU, 1×1.
Written from the equations; the authors' code has no licence.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.model.config import CFSDCN_GROUPS, ModelConfig
from serpent_cli.model.hyperspectral.deformable import EPSILON, DeformableConv
from serpent_cli.model.layers import LayerNorm, channels_last

BANDS = 28
SLOPE = 0.1
SIZE_MULTIPLE = 4


@dataclass(frozen=True)
class CFSDCNConfig:
    """Sizes of the network; the defaults are the authors' S.

    Attributes:
        depths: Blocks of the finest, the middle and the coarsest scale; M is (2, 4, 6), L is
            (4, 8, 10).
        width: C at the finest scale, doubled at each coarser one.
        groups: G of the deformable convolutions.
        bands: Of the cube.
    """

    depths: tuple[int, int, int] = (1, 2, 2)
    width: int = 28
    groups: int = CFSDCN_GROUPS
    bands: int = BANDS


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


class DeformableBlock(nn.Module):
    """f + DCN(LN f), then f + FF(LN f); (B, H, W, C)."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.norm = LayerNorm(width, eps=EPSILON)
        self.mixer = DeformableConv(width, groups)
        self.norm_feed_forward = LayerNorm(width, eps=EPSILON)
        self.feed_forward = ConvFeedForward(width, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Mix places, then channels."""
        x = x + self.mixer(self.norm(x))
        return x + self.feed_forward(self.norm_feed_forward(x))


class CFSDCN(nn.Module):
    """The network: shifted snapshot and mask (B, bands, H, W) to a cube (B, bands, H, W).

    H and W are multiples of 4; the cube is in [0, 1], unclamped.
    """

    def __init__(self, config: CFSDCNConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CFSDCNConfig()
        c, bands, groups = config.width, config.bands, config.groups
        self.fuse = nn.Conv2d(2 * bands, bands, 1, bias=False)
        self.embed = nn.Conv2d(bands, c, 3, padding=1)
        self.norm = LayerNorm(c, eps=EPSILON)

        def blocks(level: int) -> nn.Sequential:
            depth = config.depths[level]
            return nn.Sequential(*(DeformableBlock(c << level, groups) for _ in range(depth)))

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

    def forward(self, shifted: Tensor, mask: Tensor) -> Tensor:
        """Reconstruct a batch; `mask` is the coded aperture, the same in every band."""
        x = self.fuse(torch.cat((shifted, mask), 1))
        f = functional.leaky_relu(self.norm(channels_last(self.embed(x))), SLOPE)
        skips = list[Tensor]()
        for blocks, shrink in zip(self.down, self.shrink, strict=True):
            f = blocks(f)
            skips.append(f)
            f = channels_last(shrink(f.permute(0, 3, 1, 2)))
        f = self.bottleneck(f)
        for enlarge, join, blocks in zip(self.enlarge, self.join, self.up, strict=True):
            f = channels_last(enlarge(f.permute(0, 3, 1, 2)))
            f = blocks(join(torch.cat((f, skips.pop()), -1)))
        return self.output(f.permute(0, 3, 1, 2)) + x


class DeformableNet(CFSDCN):
    """CFSDCN as a weight file describes it: (B, 2 T, H, W), snapshot and mask, to a cube."""

    def __init__(self, config: ModelConfig) -> None:
        sizes = CFSDCNConfig(config.depths_down, config.widths[0], bands=config.channels)
        super().__init__(sizes)
        self.record = config

    def forward(self, shifted: Tensor, mask: Tensor | None = None) -> Tensor:
        """Reconstruct a batch, from one tensor of both or from two."""
        if mask is None:
            shifted, mask = shifted.chunk(2, dim=1)
        return super().forward(shifted, mask)
