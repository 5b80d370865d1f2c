"""ASLE-SSM's two scans in a network of ours, for coded snapshots (arXiv 2408.00629, first version).

    U-Net of two steps (`snapshot_unet`) and blocks
    f ← f + local(LN f),   f ← f + across(LN f),   f ← f + FF(LN f)
    both scans: [a, z] = W_in x,  u = SiLU(DW3×3 a),  W_out(LN(scan u) · GELU(z))
    local:  through the places of a window, then of the next; a place's channels are the token
    across: through the bands of a local cube, then of the next; a band's window is the token

From the paper are the two mechanisms: scans that stay local in space, and scans across cubes local
in space and spectrum, both of which go on through the whole map. Its authors publish neither code
nor sizes. Sizes, orders, the U-Net and what stands around the scans are ours: nothing here claims
to equal their network. Each scan runs by rows and by columns of windows, both ways, as snakes.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from serpent_cli.model.config import ASLE_DEPTH, ModelConfig
from serpent_cli.model.hyperspectral.s2mamba import PatchScan, scanned
from serpent_cli.model.hyperspectral.snapshot_unet import (
    BANDS,
    EPSILON,
    ConvFeedForward,
    SnapshotUNet,
)
from serpent_cli.model.hyperspectral.windows import cut, joined
from serpent_cli.model.layers import LayerNorm
from serpent_cli.model.mixers.selective import SelectiveParameters

WINDOW = 8
"""Side of the windows of the local scan, in places."""

CUBE = 4
"""Side of the local cubes in places; they are `ASLE_DEPTH` bands deep."""

SIZE_MULTIPLE = 4 * WINDOW
PATHS = ("row_snake", "row_snake_rev")


@dataclass(frozen=True)
class AsleConfig:
    """Sizes of the network, all of them ours.

    Attributes:
        depths: Blocks of the finest, the middle and the coarsest scale.
        width: C at the finest scale, doubled at each coarser one; even, so that the 2 C bands of
            its scans make whole cubes.
        state_size: N, states per channel of the scans.
        bands: Of the cube.
    """

    depths: tuple[int, int, int] = (1, 1, 2)
    width: int = BANDS
    state_size: int = 1
    bands: int = BANDS


class WindowScan(PatchScan):
    """What both scans share: by rows of windows, then by columns; (B, H, W, C) to the same.

    Args:
        width: C; the scans see 2 C channels.
        channels: D of a token.
        state_size: N.
    """

    def __init__(self, width: int, channels: int, state_size: int) -> None:
        sizes = (channels, state_size, ModelConfig.delta_rank(channels // 2), len(PATHS))
        super().__init__(width, SelectiveParameters(*sizes), 2 * width)
        self.scan_columns = SelectiveParameters(*sizes)

    def mixed(self, u: Tensor) -> Tensor:
        """Scans and norm of (B, H, W, 2 C)."""
        rows = self.along(u, self.scan)
        columns = self.along(u.transpose(1, 2), self.scan_columns).transpose(1, 2)
        return self.norm(rows + columns)

    def along(self, u: Tensor, scan: SelectiveParameters) -> Tensor:
        """Scan (B, H, W, 2 C) window after window, row by row, both ways."""
        raise NotImplementedError


class LocalScan(WindowScan):
    """Through the places of each window; what was read goes on to the next one."""

    def __init__(self, width: int, state_size: int) -> None:
        super().__init__(width, 2 * width, state_size)

    def along(self, u: Tensor, scan: SelectiveParameters) -> Tensor:
        """Scan (B, H, W, 2 C); H and W are multiples of `WINDOW`."""
        lines = cut(u, WINDOW).flatten(1, 2)  # (B, windows · side, side, 2 C)
        y = scanned(lines, scan, PATHS)
        return joined(y.unflatten(1, (-1, WINDOW)), u.shape[1], u.shape[2])


class AcrossScan(WindowScan):
    """Through the bands of each local cube; then of the next, then of the next bands' cubes."""

    def __init__(self, width: int, state_size: int) -> None:
        super().__init__(width, CUBE**2, state_size)

    def along(self, u: Tensor, scan: SelectiveParameters) -> Tensor:
        """Scan (B, H, W, 2 C); H and W are multiples of `CUBE`, 2 C of `ASLE_DEPTH`."""
        cubes = cut(u, CUBE).flatten(2, 3).unflatten(-1, (-1, ASLE_DEPTH))  # (B, n, places, g, d)
        lines = cubes.permute(0, 3, 1, 4, 2)  # (B, g, n, d, places)
        y = scanned(lines.flatten(1, 2), scan, PATHS).view(lines.shape)
        windows = y.permute(0, 2, 4, 1, 3).flatten(3).unflatten(2, (CUBE, CUBE))
        return joined(windows, u.shape[1], u.shape[2])


class AsleBlock(nn.Module):
    """Mix places, then cubes, then channels; (B, H, W, C) to the same."""

    def __init__(self, width: int, state_size: int) -> None:
        super().__init__()
        self.norm_local = LayerNorm(width, eps=EPSILON)
        self.local = LocalScan(width, state_size)
        self.norm_across = LayerNorm(width, eps=EPSILON)
        self.across = AcrossScan(width, state_size)
        self.norm_feed_forward = LayerNorm(width, eps=EPSILON)
        self.feed_forward = ConvFeedForward(width, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Run all three."""
        x = x + self.local(self.norm_local(x))
        x = x + self.across(self.norm_across(x))
        return x + self.feed_forward(self.norm_feed_forward(x))


class Asle(SnapshotUNet):
    """The network: shifted snapshot and mask (B, bands, H, W) to a cube (B, bands, H, W).

    H and W are multiples of 32; the cube is in [0, 1], unclamped.
    """

    def __init__(self, config: AsleConfig | None = None) -> None:
        config = config or AsleConfig()
        states = config.state_size
        super().__init__(
            config.bands, config.width, config.depths, lambda width: AsleBlock(width, states)
        )
        self.config = config


class AsleNet(Asle):
    """ASLE-SSM as a weight file describes it: (B, 2 T, H, W), snapshot and mask, to a cube."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(
            AsleConfig(config.depths_down, config.widths[0], config.state_size, config.channels)
        )
        self.record = config
