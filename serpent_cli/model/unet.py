"""Serpent's U-Net (Sepehri, Fabian, Soltanolkotabi, arXiv 2403.17902, overview figure).

    image → Patchifier → D1 → D2 → D3 → B → U3 → U2 → U1 → Depatchifier → image

D is an S-block and a merge, U an S-block and an expand; each skip leaves after its merge and joins
before U's blocks; one long skip in feature space leads from the Patchifier to the Depatchifier.
Widths, depths, merge, expand and the image residual are ours: the paper does not publish them.
"""

from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.model.block import SBlock
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.evssm import EvssmNet
from serpent_cli.model.hyperspectral.asle import AsleNet
from serpent_cli.model.hyperspectral.cfsdcn import DeformableNet
from serpent_cli.model.hyperspectral.cst import SnapshotNet
from serpent_cli.model.hyperspectral.unfolding import Unfolding, seen_channels
from serpent_cli.model.layers import Depatchifier, Expand, Merge, Patchifier, SkipJoin


class Down(nn.Module):
    """S-block D: blocks at token scale `level`, then a merge to the next coarser one."""

    def __init__(self, config: ModelConfig, level: int) -> None:
        super().__init__()
        width, width_out = config.widths[level : level + 2]
        depths = config.depths_down
        self.blocks = SBlock(config, width, level, depths[level], sum(depths[:level]))
        self.merge = Merge(width, width_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to (B, H/2, W/2, C')."""
        return self.merge(self.blocks(x))


class Up(nn.Module):
    """S-block U: join the skip, blocks at token scale `level`, then an expand to the next finer."""

    def __init__(self, config: ModelConfig, level: int) -> None:
        super().__init__()
        width_out, width = config.widths[level - 1 : level + 1]
        self.join = SkipJoin(width, config.join)
        depths = config.depths_up
        before = sum(config.depths_down) + config.depth_bottleneck + sum(depths[level:])
        self.blocks = SBlock(config, width, level, depths[level - 1], before)
        self.expand = Expand(width, width_out)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(B, H, W, C) and its skip to (B, 2H, 2W, C')."""
        return self.expand(self.blocks(self.join(x, skip)))


class Serpent(nn.Module):
    """The network: (B, 3, H, W) in [0, 1] to (B, 3, H·scale, W·scale), unclamped.

    With `channels` other than 3 it maps so many bands of a cube to the same. H and W must be
    multiples of `limits.size_multiple(config)`; `restore` pads to that.

    Args:
        config: Sizes of the network.
        given: Channels of its input, where there are more than those of the picture, which come
            first.
    """

    def __init__(self, config: ModelConfig, given: int | None = None) -> None:
        super().__init__()
        self.config = config
        finest, coarsest = config.widths[0], config.widths[-1]
        self.patchifier = Patchifier(
            config.patch_size, finest, config.border, given or config.channels
        )
        self.d1 = Down(config, 0)
        self.d2 = Down(config, 1)
        self.d3 = Down(config, 2)
        before = sum(config.depths_down)
        self.b = SBlock(config, coarsest, 3, config.depth_bottleneck, before)
        self.u3 = Up(config, 3)
        self.u2 = Up(config, 2)
        self.u1 = Up(config, 1)
        self.long_join = SkipJoin(finest, config.join)
        self.depatchifier = Depatchifier(finest, config.patch_size * config.scale, config.channels)
        self._initialise()

    def forward(self, image: Tensor) -> Tensor:
        """Restore a batch of pictures."""
        x0 = self.patchifier(image)
        x1 = self.d1(x0)
        x2 = self.d2(x1)
        x3 = self.d3(x2)
        x = self.b(x3)
        x = self.u3(x, x3)
        x = self.u2(x, x2)
        x = self.u1(x, x1)
        out = self.depatchifier(self.long_join(x, x0))
        if self.config.residual == "none":
            return out
        picture = image[:, : self.config.channels]
        return out.add_(enlarge(picture.float(), self.config.scale))

    def _initialise(self) -> None:
        """Linear weights N(0, 0.02) truncated, as in HUMUS-Net; a residual net starts as identity.

        The scan's own parameters are no Linear layers, so that this cannot undo their time scales.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                for name, parameter in module.named_parameters():
                    if name == "weight":
                        nn.init.trunc_normal_(parameter, std=0.02)
                    else:
                        nn.init.zeros_(parameter)
        if self.config.residual == "image":
            for parameter in self.depatchifier.parameters():
                nn.init.zeros_(parameter)


def enlarge(image: Tensor, scale: int) -> Tensor:
    """Bicubic enlargement of (B, 3, H, W) by a whole factor; the picture itself at scale 1."""
    if scale == 1:
        return image
    return functional.interpolate(image, scale_factor=scale, mode="bicubic", align_corners=False)


def build_model(config: ModelConfig) -> nn.Module:
    """The network that `config` describes, freshly initialised from torch's global generator."""
    if config.topology == "unfolding":
        return Unfolding(config, Serpent(config, seen_channels(config)))
    networks = {
        "serpent": Serpent, "evssm": EvssmNet, "cst": SnapshotNet, "cfsdcn": DeformableNet,
        "asle": AsleNet,
    }  # fmt: skip
    return networks[config.topology](config)
