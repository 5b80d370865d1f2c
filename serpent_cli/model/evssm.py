"""EVSSM, a whole network for motion blur (Kong et al., CVPR 2025, arXiv 2405.14343, MIT code).

    image → conv → D1 ↘ D2 ↘ D3 → U3 ↗ U2 ↗ U1 → conv → + image

↘ halves the map by the mean of 2 x 2 and convolves, ↗ enlarges it bilinearly and convolves; the
results of D2 and D1 are added before the blocks of U2 and U1. Each block scans along one path,
the next one along the next path, and weighs local frequencies in its feed-forward.

The authors turn the stream of features from block to block; here it stays, and weights of theirs
are turned once, when they are converted (see `zoo.evssm_names`).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.model.block import SBlock
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.layers import channels_first, channels_last, single


class Conv(nn.Conv2d):
    """3x3 convolution of (B, H, W, C), zero-padded, without a bias."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__(width, width_out, 3, padding=1, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """(B, H, W, C) to (B, H, W, C')."""
        return channels_last(super().forward(channels_first(input)))


class Shrink(Conv):
    """Halve the map: the mean of 2 x 2 tokens, then a convolution."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, H, W, C) to (B, H/2, W/2, C'); H and W even."""
        halved = functional.avg_pool2d(channels_first(input), 2)
        return super().forward(halved.permute(0, 2, 3, 1))


class Enlarge(Conv):
    """Double the map: bilinear interpolation, then a convolution."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, H, W, C) to (B, 2H, 2W, C')."""
        doubled = functional.interpolate(
            channels_first(input), scale_factor=2, mode="bilinear", align_corners=False
        )
        return super().forward(doubled.permute(0, 2, 3, 1))


class Stage(nn.Module):
    """Blocks at one scale, and the step to the next scale, if one follows."""

    def __init__(self, config: ModelConfig, level: int, depth: int, first: int) -> None:
        super().__init__()
        self.blocks = SBlock(config, config.widths[level], level, depth, first)


class DownStage(Stage):
    """Blocks, whose result is also a skip, and the step to the next coarser scale."""

    def __init__(self, config: ModelConfig, level: int, first: int) -> None:
        super().__init__(config, level, config.depths_down[level], first)
        self.shrink = Shrink(*config.widths[level : level + 2])


class UpStage(Stage):
    """Blocks and the step to the next finer scale."""

    def __init__(self, config: ModelConfig, level: int, first: int) -> None:
        super().__init__(config, level, config.depths_up[level], first)
        self.enlarge = Enlarge(config.widths[level], config.widths[level - 1])


class EvssmNet(nn.Module):
    """The network: (B, 3, H, W) in [0, 1] to the same, unclamped; H and W multiples of 4."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        down, up = config.depths_down, config.depths_up
        firsts = [sum((*down, *up[::-1])[:i]) for i in range(6)]
        self.embed = Conv(3, config.widths[0])
        self.d1 = DownStage(config, 0, firsts[0])
        self.d2 = DownStage(config, 1, firsts[1])
        self.d3 = Stage(config, 2, down[2], firsts[2])
        self.u3 = UpStage(config, 2, firsts[3])
        self.u2 = UpStage(config, 1, firsts[4])
        self.u1 = Stage(config, 0, up[0], firsts[5])
        self.output = Conv(config.widths[0], 3)
        nn.init.zeros_(self.output.weight)  # it starts as the identity

    def forward(self, image: Tensor) -> Tensor:
        """Restore a batch of pictures."""
        x1 = self.d1.blocks(self.embed(image.permute(0, 2, 3, 1)))
        x2 = self.d2.blocks(self.d1.shrink(x1))
        x = self.d3.blocks(self.d2.shrink(x2))
        x = self.u3.blocks(x)
        x = self.u2.blocks(self.u3.enlarge(x).add_(x2))
        x = self.u1.blocks(self.u2.enlarge(x).add_(x1))
        # In fp32 whatever the autocast type: bf16 in the last convolution bands 16-bit pictures.
        with torch.autocast(x.device.type, enabled=False):
            change = self.output(single(x))
        return change.permute(0, 3, 1, 2) + single(image)
