"""A small U-Net that tells photographs from what a network made, place by place.

After Schönfeld, Schiele, Khoreva, "A U-Net based discriminator for generative adversarial
networks", CVPR 2020, arXiv 2002.12655, with spectral normalisation (Miyato et al., ICLR 2018, arXiv
1802.05957), as Real-ESRGAN (arXiv 2107.10833) has both. The sizes are ours, and no code is theirs.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (16, 32, 64, 64)
"""Channels at the full size, and after each halving."""

SLOPE = 0.2  # of what is negative
FIRST_ROUNDS = 20  # of the power iteration, before the first step


class SpectralConv(nn.Module):
    """A convolution by its kernel over the kernel's largest singular value.

    The singular vectors are buffers that `settle` alone moves: a forward changes nothing, so that
    several threads may share one.

    Args:
        width: Channels that come in.
        width_out: Channels that go out.
        side: Of the kernel.
        stride: 2 halves the picture.
    """

    def __init__(self, width: int, width_out: int, side: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(width_out, width, side, side))
        nn.init.kaiming_normal_(self.weight, a=SLOPE)
        self.left: Tensor
        self.right: Tensor
        self.register_buffer("left", functional.normalize(torch.randn(width_out), dim=0))
        self.register_buffer("right", torch.zeros(width * side * side))
        self.settle(FIRST_ROUNDS)

    @torch.no_grad()
    def settle(self, rounds: int = 1) -> None:
        """Bring the singular vectors nearer to those of the kernel as it is now."""
        matrix = self.weight.flatten(1)
        for _ in range(rounds):
            self.right.copy_(functional.normalize(matrix.T @ self.left, dim=0))
            self.left.copy_(functional.normalize(matrix @ self.right, dim=0))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H / stride, W / stride)."""
        # Products and a sum, not a matrix product: autocast would round that to bf16.
        largest = (self.weight.flatten(1) * self.left[:, None] * self.right).sum()
        padding = (self.weight.shape[-1] - 1) // 2
        return functional.conv2d(x, self.weight / largest, stride=self.stride, padding=padding)


class Discriminator(nn.Module):
    """(B, 3, H, W) in [0, 1] to (B, 1, H, W): above 0 where it takes a place for a photograph's.

    H and W must be multiples of 8.
    """

    def __init__(self) -> None:
        super().__init__()
        coarser = list(itertools.pairwise(WIDTHS))
        self.first = nn.Conv2d(3, WIDTHS[0], 3, padding=1)
        self.down = nn.ModuleList(SpectralConv(a, b, 4, 2) for a, b in coarser)
        self.up = nn.ModuleList(SpectralConv(b, a) for a, b in reversed(coarser))
        self.middle = SpectralConv(WIDTHS[0], WIDTHS[0])
        self.last = nn.Conv2d(WIDTHS[0], 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Judge every place."""
        x = functional.leaky_relu(self.first(2 * x - 1), SLOPE)
        skips: list[Tensor] = []
        for down in self.down:
            skips.append(x)
            x = functional.leaky_relu(down(x), SLOPE)
        for up in self.up:
            x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = functional.leaky_relu(up(x), SLOPE) + skips.pop()
        return self.last(functional.leaky_relu(self.middle(x), SLOPE))

    def settle(self) -> None:
        """After a step: see `SpectralConv.settle`."""
        for module in self.modules():
            if isinstance(module, SpectralConv):
                module.settle()
