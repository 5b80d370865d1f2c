"""CFSDCN, deformable convolutions that reconstruct coded snapshots (code published as CFSDCN).

    U-Net of two steps (`snapshot_unet`) and blocks  f ← f + DCN(LN f),  f ← f + FF(LN f)

DCN is deformable convolution v3 in groups of channels, FF a 1×1, GELU, depthwise 3×3, GELU, 1×1.
Written from the equations; the authors' code has no licence.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from serpent_cli.model.config import CFSDCN_GROUPS, ModelConfig
from serpent_cli.model.hyperspectral.deformable import DeformableConv
from serpent_cli.model.hyperspectral.snapshot_unet import (
    BANDS,
    EPSILON,
    ConvFeedForward,
    SnapshotUNet,
)
from serpent_cli.model.layers import LayerNorm


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


class CFSDCN(SnapshotUNet):
    """The network: shifted snapshot and mask (B, bands, H, W) to a cube (B, bands, H, W).

    H and W are multiples of 4; the cube is in [0, 1], unclamped.
    """

    def __init__(self, config: CFSDCNConfig | None = None) -> None:
        config = config or CFSDCNConfig()
        groups = config.groups
        super().__init__(
            config.bands, config.width, config.depths, lambda width: DeformableBlock(width, groups)
        )
        self.config = config


class DeformableNet(CFSDCN):
    """CFSDCN as a weight file describes it: (B, 2 T, H, W), snapshot and mask, to a cube."""

    def __init__(self, config: ModelConfig) -> None:
        sizes = CFSDCNConfig(config.depths_down, config.widths[0], bands=config.channels)
        super().__init__(sizes)
        self.record = config
