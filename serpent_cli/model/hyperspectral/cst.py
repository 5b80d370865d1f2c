"""CST, attention where a coded snapshot has detail (Cai et al., ECCV 2022, arXiv 2203.04845).

    x = W [shifted; mask],   f, detail = estimator(x)
    U-Net of two steps and blocks  f ← f + attention(LN f) in half of the regions,  f ← f + FF(LN f)
    result = conv f + x

Regions are 16 × 16; those with the most detail are attended to, every second block after a shift by
8. Within a region attention is among tokens of one hash (`hashed_attention`). Its authors draw the
hash anew at every forward; here that is so in training, while at inference one hash, always the
same, serves all blocks, so that a result repeats. Their code is MIT.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.hyperspectral.hashed_attention import Hash, HashedAttention, draw_hash
from serpent_cli.model.hyperspectral.snapshot_unet import BANDS, ConvFeedForward
from serpent_cli.model.hyperspectral.sparsity import SparsityEstimator
from serpent_cli.model.hyperspectral.windows import cut, joined
from serpent_cli.model.layers import LayerNorm, channels_last

REGION = 16
SIZE_MULTIPLE = 4 * REGION
SEED = 0  # of the hash at inference


@dataclass(frozen=True)
class CSTConfig:
    """Sizes of the network; the defaults are the authors' S.

    Attributes:
        depths: Blocks of the finest, the middle and the coarsest scale; M is (2, 2, 2), L is
            (2, 4, 6) with two estimators.
        estimators: Sparsity estimators in a row.
        sparse: Attend to half of the regions; False: to all, and without a map of detail.
        width: C at the finest scale and of each head, as many as bands.
    """

    depths: tuple[int, int, int] = (1, 1, 2)
    estimators: int = 1
    sparse: bool = True
    width: int = BANDS


class SparseBlock(nn.Module):
    """Attention within regions, then a feed-forward; (B, H, W, C) to the same.

    Args:
        width: C.
        heads: Of the attention.
        shift: By how much the regions are moved, in tokens.
        region: Their side; H and W are multiples of it.
        sparse: Attend only to the half of the regions that has the most detail.
    """

    def __init__(
        self, width: int, heads: int, shift: int, *, region: int = REGION, sparse: bool = True
    ) -> None:
        super().__init__()
        self.shift, self.region, self.sparse = shift, region, sparse
        self.norm = LayerNorm(width)
        self.mixer = HashedAttention(width, heads, (region // 2) ** 2)
        self.norm_feed_forward = LayerNorm(width)
        self.feed_forward = ConvFeedForward(width, bias=False)

    def forward(self, x: Tensor, detail: Tensor | None, hash_of: Hash) -> Tensor:
        """Attend and feed forward; `detail` (B, H, W) is needed where `sparse`."""
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
        regions = cut(x, self.region).flatten(2, 3)  # (B, regions, tokens, C)
        chosen = self._chosen(regions, detail)
        batch = torch.arange(len(x), device=x.device).unsqueeze(1)
        tokens = regions[batch, chosen]
        flat = tokens.flatten(0, 1)
        mixed = self.mixer(self.norm(flat), hash_of) + flat
        regions = regions.index_put((batch, chosen), mixed.view_as(tokens))
        x = joined(regions.unflatten(2, (self.region, -1)), x.shape[1], x.shape[2])
        if self.shift:
            x = x.roll((self.shift, self.shift), (1, 2))
        return x + self.feed_forward(self.norm_feed_forward(x))

    def _chosen(self, regions: Tensor, detail: Tensor | None) -> Tensor:
        """Indices (B, n) of the regions that are attended to."""
        b, count = regions.shape[:2]
        if not self.sparse:
            return torch.arange(count, device=regions.device).expand(b, count)
        assert detail is not None
        if self.shift:
            detail = detail.roll((-self.shift, -self.shift), (1, 2))
        windows = cut(detail.unsqueeze(-1), self.region)
        return windows.mean((2, 3, 4)).topk(count // 2, dim=1).indices


class SparseBlocks(nn.ModuleList):
    """Blocks in a row, every second one with moved regions; (B, C, H, W) to the same."""

    def __init__(self, config: CSTConfig, level: int) -> None:
        heads = 1 << level
        super().__init__(
            SparseBlock(config.width * heads, heads, i % 2 * (REGION // 2), sparse=config.sparse)
            for i in range(config.depths[level])
        )

    def forward(self, x: Tensor, detail: Tensor | None, hash_of: Hash) -> Tensor:
        """Run them all; `detail` is (B, 1, H, W)."""
        x = channels_last(x)
        for block in self:
            x = block(x, None if detail is None else detail.squeeze(1), hash_of)
        return x.permute(0, 3, 1, 2)


class CST(nn.Module):
    """The network: shifted snapshot and mask (B, bands, H, W) to a cube (B, bands, H, W).

    H and W are multiples of 64, at least one of them larger: a region of the coarsest scale among
    one has no better half. The cube is in [0, 1], unclamped.
    """

    def __init__(self, config: CSTConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CSTConfig()
        c = config.width
        self.fuse = nn.Conv2d(2 * c, c, 1, bias=False)
        last = config.estimators - 1
        self.estimators = nn.Sequential(
            *(SparsityEstimator(c, detail=config.sparse and i == last) for i in range(last + 1))
        )
        self.down = nn.ModuleList(SparseBlocks(config, level) for level in (0, 1))
        self.shrink = nn.ModuleList(
            nn.Conv2d(c << level, c << level + 1, 4, 2, 1, bias=False) for level in (0, 1)
        )
        self.bottleneck = SparseBlocks(config, 2)
        self.enlarge = nn.ModuleList(
            nn.ConvTranspose2d(c << level + 1, c << level, 2, 2) for level in (1, 0)
        )
        self.up = nn.ModuleList(SparseBlocks(config, level) for level in (1, 0))
        self.output = nn.Conv2d(c, c, 3, padding=1, bias=False)
        self._initialise()

    def forward(self, shifted: Tensor, mask: Tensor, hash_of: Hash | None = None) -> Tensor:
        """Reconstruct a batch; `mask` is the coded aperture, the same in every band."""
        x = self.fuse(torch.cat((shifted, mask), 1))
        hash_of = hash_of or self._hash(x)
        f, detail = self.estimate(x)
        skips = list[tuple[Tensor, Tensor | None]]()
        for blocks, shrink in zip(self.down, self.shrink, strict=True):
            f = blocks(f, detail, hash_of)
            skips.append((f, detail))
            f = shrink(f)
            detail = None if detail is None else nn.functional.avg_pool2d(detail, 2)
        f = self.bottleneck(f, detail, hash_of)
        for enlarge, blocks in zip(self.enlarge, self.up, strict=True):
            skip, detail = skips.pop()
            f = blocks(enlarge(f) + skip, detail, hash_of)
        return self.output(f) + x

    def estimate(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features (B, C, H, W) of the fused input, and where there is detail (B, 1, H, W)."""
        f = self.estimators(x)
        return (f[:, :-1], f[:, -1:]) if self.config.sparse else (f, None)

    def _hash(self, like: Tensor) -> Hash:
        generator = None if self.training else torch.Generator().manual_seed(SEED)
        return draw_hash(self.config.width, like, generator)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)


class SnapshotNet(CST):
    """CST as a weight file describes it: (B, 2 T, H, W), shifted snapshot and mask, to a cube."""

    def __init__(self, config: ModelConfig) -> None:
        depths, width = config.depths_down, config.channels
        super().__init__(CSTConfig(depths=depths, width=width, estimators=config.estimators))
        self.record = config

    def forward(
        self, shifted: Tensor, mask: Tensor | None = None, hash_of: Hash | None = None
    ) -> Tensor:
        """Reconstruct a batch, from one tensor of both or from two."""
        if mask is None:
            shifted, mask = shifted.chunk(2, dim=1)
        return super().forward(shifted, mask, hash_of)
