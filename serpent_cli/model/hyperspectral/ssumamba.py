"""SSUMamba, a U-Net of 3-D convolutions and scans that denoises cubes (arXiv 2405.01726).

    cube → conv → stem → six stages → five stages upwards → + conv's result → conv
    stage: residual blocks;  on the way down then, in another order of the axes each
    [a, z] = W_in LN(x);  u = SiLU(conv4 a),  u' = SiLU(conv4' a) backwards
    x ← W_out((S6(u) + S6'(u') backwards) · SiLU(z))

Stages 2, 4 and 6 halve rows and columns, never the bands, of which there may be any number. On the
way up the map is enlarged by repetition, and what left the same stage on the way down is added.
Scans run in fp32 whatever the autocast type. The authors' code (no licence) also has output layers
that nothing uses; they are left out here.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.model.hyperspectral.orders import ORDERS, from_order, to_order
from serpent_cli.model.layers import LayerNorm, gated, single
from serpent_cli.model.mixers.selective import SelectiveParameters
from serpent_cli.model.mixers.v2m import CausalConv
from serpent_cli.ops.cross_scan import cross_scan


@dataclass(frozen=True)
class SSUMambaConfig:
    """Sizes of the network; the defaults are its authors'.

    Attributes:
        widths: Channels C of the six stages.
        depths_down: Residual blocks of the six stages on the way down.
        depths_up: And of the five on the way up, the coarsest first.
        state_size: N, states per channel of the scans.
    """

    widths: tuple[int, ...] = (32, 64, 64, 128, 128, 256)
    depths_down: tuple[int, ...] = (2, 2, 2, 1, 1, 1)
    depths_up: tuple[int, ...] = (2, 2, 2, 1, 1)
    state_size: int = 16


SIZE_MULTIPLE = 8
"""Of rows and columns; bands need none."""


class ResidualBlock(nn.Module):
    """Two 3-D convolutions with norms, added to their input; (B, C, T, H, W) to (B, C', ...)."""

    def __init__(
        self, width: int, width_out: int, kernel: tuple[int, int, int], stride: int, *,
        project: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        strides = (1, stride, stride)
        self.conv1 = nn.Conv3d(width, width_out, kernel, strides, padding)
        self.norm1 = nn.InstanceNorm3d(width_out, affine=True)
        self.conv2 = nn.Conv3d(width_out, width_out, kernel, padding=padding)
        self.norm2 = nn.InstanceNorm3d(width_out, affine=True)
        self.project = nn.Conv3d(width, width_out, 1, strides) if project else None

    def forward(self, x: Tensor) -> Tensor:
        """Halve rows and columns where the stride is 2."""
        y = functional.leaky_relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return functional.leaky_relu(y + (x if self.project is None else self.project(x)))


class Blocks(nn.Sequential):
    """Residual blocks, of which the first may change width and size."""

    def __init__(self, width: int, width_out: int, depth: int, kernel: int, stride: int) -> None:
        sides = (kernel, 3, 3)
        super().__init__(
            ResidualBlock(width, width_out, sides, stride, project=True),
            *(
                ResidualBlock(width_out, width_out, sides, 1, project=False)
                for _ in range(depth - 1)
            ),
        )


class CubeScan(nn.Module):
    """Norm and a Mamba both ways along a snake through the cube; (B, T, H, W, C) to the same."""

    def __init__(self, width: int, state_size: int, order: str) -> None:
        super().__init__()
        self.order = order
        inner, rank = 2 * width, -(-width // 16)
        self.norm = LayerNorm(width)
        self.project_in = nn.Linear(width, inner, bias=False)
        self.project_gate = nn.Linear(width, inner, bias=False)
        self.conv = CausalConv(inner)
        self.scan = SelectiveParameters(inner, state_size, rank, 1)
        self.conv_back = CausalConv(inner)
        self.scan_back = SelectiveParameters(inner, state_size, rank, 1)
        self.project_out = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the places of a cube; nothing is added to the result."""
        with torch.autocast(x.device.type, enabled=False):
            tokens = self.norm(to_order(single(x), self.order)).unsqueeze(1)  # (B, 1, L, C)
            a = self.project_in(tokens)
            y = scanned(self.conv.along(a, "row"), self.scan, "row")
            y = y + scanned(self.conv_back.along(a, "row_rev"), self.scan_back, "row_rev")
            mixed = self.project_out(gated(y, self.project_gate(tokens)))
        return from_order(mixed.squeeze(1), self.order, (x.shape[1], x.shape[2], x.shape[3]))


def scanned(u: Tensor, p: SelectiveParameters, path: str) -> Tensor:
    """S6 of (B, H, W, D) along one path."""
    return cross_scan(
        u, p.project(u), p.dt_weight, p.dt_bias, p.A_log, p.D_skip, paths=(path,)
    )  # fmt: skip


class SSUMamba(nn.Module):
    """The network: (B, T, H, W) in [0, 1] to the same, unclamped; H and W multiples of 8."""

    def __init__(self, config: SSUMambaConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SSUMambaConfig()
        widths = config.widths
        self.embed = nn.Conv3d(1, widths[0], 3, padding=1)
        # The finest stages look at single bands.
        self.stem = Blocks(widths[0], widths[0], config.depths_down[0], 1, 1)
        self.stages, self.scans = nn.ModuleList(), nn.ModuleList()
        for i, (width, depth) in enumerate(zip(widths, config.depths_down, strict=True)):
            kernel = 1 if i == 0 else 3
            self.stages.append(Blocks(widths[max(i - 1, 0)], width, depth, kernel, 1 + i % 2))
            self.scans.append(CubeScan(width, config.state_size, ORDERS[i]))
        self.narrow, self.stages_up = nn.ModuleList(), nn.ModuleList()
        for i, depth in zip(range(len(widths) - 2, -1, -1), config.depths_up, strict=True):
            self.narrow.append(nn.Conv3d(widths[i + 1], widths[i], 1))
            self.stages_up.append(Blocks(widths[i], widths[i], depth, 1 if i == 0 else 3, 1))
        self.head = nn.Conv3d(widths[0], widths[0], 1)
        self.output = nn.Conv3d(widths[0], 1, 3, padding=1)

    def forward(self, cube: Tensor) -> Tensor:
        """Denoise a batch of cubes."""
        first = self.embed(cube.unsqueeze(1))
        x, skips = self.stem(first), list[Tensor]()
        for stage, scan in zip(self.stages, self.scans, strict=True):
            x = scan(stage(x).permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3).contiguous()
            skips.append(x)
        for narrow, stage in zip(self.narrow, self.stages_up, strict=True):
            skip = skips[-2]
            skips.pop()
            x = stage(enlarged(narrow(x), skip) + skip)
        return self.output(self.head(x) + first).squeeze(1)


def enlarged(x: Tensor, like: Tensor) -> Tensor:
    """Repeat rows and columns of (B, C, T, H, W) to the size of another map."""
    return functional.interpolate(x, like.shape[2:], mode="nearest")
