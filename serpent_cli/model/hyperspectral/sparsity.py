"""CST's sparsity estimator: features of a snapshot, and where there is detail (arXiv 2203.04845).

A U-Net of two steps whose bottleneck looks at 3×3 neighbourhoods 3 and 6 tokens wide and at the
mean of the whole map. Its last channel is the map of detail.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.1
DILATIONS = (3, 6)


class Separable(nn.Module):
    """1×1, depthwise 3×3 and 1×1 with LeakyReLU between them; (B, C, H, W)."""

    def __init__(self, width: int, hidden: int, width_out: int, stride: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(width, hidden, 1, bias=False)
        self.conv = nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False)
        self.reduce = nn.Conv2d(hidden, width_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Halve the map where the stride is 2."""
        hidden = functional.leaky_relu(self.expand(x), SLOPE)
        return self.reduce(functional.leaky_relu(self.conv(hidden), SLOPE))


class Pyramid(nn.Module):
    """Neighbourhoods of several sizes side by side, (B, C, H, W) to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.near = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=step, dilation=step, bias=False)
            for step in DILATIONS
        )
        self.whole = nn.Conv2d(width, width, 1, bias=False)
        self.project = nn.Conv2d(3 * width, width, 1, bias=False)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        """See each place's surroundings and the mean of all places."""
        seen = [functional.relu(conv(x)) for conv in self.near]
        mean = functional.relu(self.whole(x.mean((2, 3), keepdim=True))).expand_as(x)
        return self.dropout(functional.relu(self.project(torch.cat((*seen, mean), 1))))


class SparsityEstimator(nn.Module):
    """(B, C, H, W) to as many features, and one channel more if `detail`; multiples of 4."""

    def __init__(self, width: int, *, detail: bool) -> None:
        super().__init__()
        self.embed = nn.Conv2d(width, width, 1, bias=False)
        widths = (width, 2 * width, 4 * width)
        self.down = nn.ModuleList(Separable(c, 2 * c, 2 * c, 2) for c in widths[:2])
        self.bottleneck = Pyramid(widths[2])
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, 2) for c in widths[1::-1])
        self.up = nn.ModuleList(Separable(c, 2 * c, c, 1) for c in widths[1::-1])
        self.output = nn.Conv2d(width, width + detail, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Estimate; the map of detail, if any, is the last channel."""
        x = functional.leaky_relu(self.embed(x), SLOPE)
        skips = list[Tensor]()
        for step in self.down:
            skips.append(x)
            x = step(x)
        x = self.bottleneck(x) + x
        for enlarge, step in zip(self.enlarge, self.up, strict=True):
            x = step(enlarge(x)) + skips.pop()
        return self.output(x)
