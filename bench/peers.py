"""Networks of the sizes of Restormer and SwinIR beside ours, on the same picture in the same run.

Written from their papers in plain torch, with random weights: only shapes matter here. Restormer
(arXiv 2111.09881): 48 channels; 4, 6, 6, 8 blocks and 4 of refinement; 1, 2, 4, 8 heads; expansion
2.66. SwinIR (arXiv 2108.10257), the size for denoising: 180 channels, 6 groups of 6 blocks, 6
heads, windows of 8 x 8, expansion 2.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.timing import Row, fastest
from serpent_cli.zoo.load import load_model

SIDE = 128  # a multiple of 8 and of 16
OURS = ("deblur", "deblur-even")


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (B, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise each pixel."""
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class TransposedAttention(nn.Module):
    """Restormer's MDTA: attention between channels, over all pixels."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(width, 3 * width, 1, bias=False)
        self.near = nn.Conv2d(3 * width, 3 * width, 3, padding=1, groups=3 * width, bias=False)
        self.out = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        q, k, v = self.near(self.qkv(x)).unflatten(1, (3, self.heads, -1)).flatten(4).unbind(1)
        q, k = functional.normalize(q, dim=-1), functional.normalize(k, dim=-1)
        attention = (q @ k.transpose(-2, -1) * self.temperature).softmax(-1)
        return self.out((attention @ v).reshape(x.shape))


class GatedFeedForward(nn.Module):
    """Restormer's GDFN."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = int(2.66 * width)
        self.grow = nn.Conv2d(width, 2 * hidden, 1, bias=False)
        self.near = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.out = nn.Conv2d(hidden, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        a, b = self.near(self.grow(x)).chunk(2, dim=1)
        return self.out(functional.gelu(a) * b)


class RestormerBlock(nn.Module):
    """Attention and feed-forward, each after a norm and beside a residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(ChannelNorm(width), TransposedAttention(width, heads))
        self.feed_forward = nn.Sequential(ChannelNorm(width), GatedFeedForward(width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        x = x + self.attention(x)
        return x + self.feed_forward(x)


def restormer_blocks(width: int, heads: int, depth: int) -> nn.Sequential:
    """`depth` blocks in a row."""
    return nn.Sequential(*(RestormerBlock(width, heads) for _ in range(depth)))


class Restormer(nn.Module):
    """The U-Net of the paper, 26 million parameters."""

    def __init__(self, c: int = 48) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, c, 3, padding=1, bias=False)
        heads, depths = (1, 2, 4, 8), (4, 6, 6, 8)
        widths = [c * 2**level for level in range(4)]
        self.encoder = nn.ModuleList(map(restormer_blocks, widths, heads, depths))
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(w, w // 2, 3, padding=1, bias=False), nn.PixelUnshuffle(2))
            for w in widths[:3]
        )
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(w, 2 * w, 3, padding=1, bias=False), nn.PixelShuffle(2))
            for w in widths[1:]
        )
        self.join = nn.ModuleList(nn.Conv2d(2 * w, w, 1, bias=False) for w in widths[1:3])
        self.decoder = nn.ModuleList(
            restormer_blocks(w, h, d)
            for w, h, d in ((2 * c, 1, 4), (widths[1], 2, 6), (widths[2], 4, 6))
        )
        self.refine = restormer_blocks(2 * c, 1, 4)
        self.out = nn.Conv2d(2 * c, 3, 3, padding=1, bias=False)

    def forward(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) to the same; H and W multiples of 8."""
        x, skips = self.embed(picture), []
        for level in range(3):
            x = self.encoder[level](x)
            skips.append(x)
            x = self.down[level](x)
        x = self.encoder[3](x)
        for level in (2, 1, 0):
            x = torch.cat((self.up[level](x), skips[level]), 1)
            x = self.decoder[level](self.join[level - 1](x) if level else x)
        return self.out(self.refine(x)) + picture


class WindowAttention(nn.Module):
    """Swin's attention within windows of 8 x 8 tokens, with a bias for each relative position."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        at = torch.cartesian_prod(torch.arange(window), torch.arange(window))
        apart = at[:, None] - at[None] + window - 1
        self.register_buffer("apart", apart[..., 0] * (2 * window - 1) + apart[..., 1])

    def forward(self, x: Tensor) -> Tensor:
        """(windows, tokens, C) to the same."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        bias = self.bias[self.apart].permute(2, 0, 1).expand(len(x), -1, -1, -1)
        return self.out(
            functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
            .transpose(1, 2)
            .flatten(2)
        )


class SwinBlock(nn.Module):
    """Windows, every other time shifted by half a window, then a feed-forward."""

    def __init__(self, width: int, heads: int, shift: int, window: int = 8) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm, self.attention = nn.LayerNorm(width), WindowAttention(width, heads, window)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same; H and W multiples of the window. The border is not masked."""
        (b, h, w, c), n = x.shape, self.window
        y = self.norm(x).roll((-self.shift, -self.shift), (1, 2))
        y = y.view(b, h // n, n, w // n, n, c).transpose(2, 3).reshape(-1, n * n, c)
        y = self.attention(y).view(b, h // n, w // n, n, n, c).transpose(2, 3).reshape(b, h, w, c)
        x = x + y.roll((self.shift, self.shift), (1, 2))
        return x + self.feed_forward(x)


class SwinGroup(nn.Module):
    """Blocks and a convolution, beside a residual."""

    def __init__(self, width: int, heads: int, depth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(SwinBlock(width, heads, 4 * (i % 2)) for i in range(depth)))
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        return x + self.conv(self.blocks(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class SwinIR(nn.Module):
    """The network of the paper at scale 1, 11.5 million parameters."""

    def __init__(self, width: int = 180, groups: int = 6) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.Sequential(*(SwinGroup(width, 6, 6) for _ in range(groups)))
        self.norm = ChannelNorm(width)
        self.merge = nn.Conv2d(width, width, 3, padding=1)
        self.out = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) to the same; H and W multiples of 8."""
        x = self.embed(picture)
        y = self.body(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return picture + self.out(x + self.merge(self.norm(y)))


def rows() -> list[Row]:
    """Seconds per megapixel and parameters of each network, in fp32 and, ours too, in bf16."""
    torch.manual_seed(0)
    picture = torch.rand(1, 3, SIDE, SIDE)
    networks: dict[str, nn.Module] = {
        name: load_model(name, torch.device("cpu"))[0] for name in OURS
    }
    networks |= {"Restormer-size": Restormer().eval(), "SwinIR-size": SwinIR().eval()}
    found: list[Row] = []
    for name, network in networks.items():
        count = sum(p.numel() for p in network.parameters()) / 1e6
        for kind, half in (("fp32", False), ("bf16", True)):
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
                seconds = fastest(lambda network=network: network(picture), 1, 0.0)
            label = f"{name} ({count:.1f} M parameters), {SIDE}², {kind}"
            found.append(Row(label, seconds * 2**20 / SIDE**2, "s/MP"))
    return found
