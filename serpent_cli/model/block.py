"""One residual block: norm, mixer and, where the config asks for it, norm and feed-forward."""

from torch import Tensor, nn

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.frequency import FrequencyFeedForward
from serpent_cli.model.layers import DepthwiseConv, FeedForward, LayerNorm, RootNorm
from serpent_cli.model.mixers import build_mixer
from serpent_cli.model.mixers.evssm import path_of


class Block(nn.Module):
    """x + Mixer(LN(x)), then x + FeedForward(LN(x)); (B, H, W, C) to (B, H, W, C).

    With the spatial mixer each half is preceded by a conditional position encoding, a residual
    depthwise 3x3 convolution (Spatial-Mamba, arXiv 2410.15091).

    Args:
        config: Sizes of the network.
        width: C.
        level: Token scale, 0 (finest) to 3.
        index: Number of the block in the network, in the order in which they run.
    """

    def __init__(self, config: ModelConfig, width: int, level: int, index: int = 0) -> None:
        super().__init__()
        positional = config.mixer == "spatial"
        self.position = DepthwiseConv(width) if positional else None
        norm = RootNorm if config.topology == "evssm" else LayerNorm
        self.norm = norm(width)
        self.mixer = build_mixer(config, width, level, index)
        self.has_feed_forward = config.has_feed_forward(level)
        if self.has_feed_forward:
            self.position_feed_forward = DepthwiseConv(width) if positional else None
            self.norm_feed_forward = norm(width)
            self.feed_forward = _feed_forward(config, width, index)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the tokens, then their channels."""
        if self.position is not None:
            x = self.position(x).add_(x)
        x = self.mixer(self.norm(x)).add_(x)
        if self.has_feed_forward:
            if self.position_feed_forward is not None:
                x = self.position_feed_forward(x).add_(x)
            x = self.feed_forward(self.norm_feed_forward(x)).add_(x)
        return x

    def silence(self) -> None:
        """Make the block an identity that learns: what it adds to its input becomes zero."""
        last: list[object] = [self.position, self.mixer.project_out]
        if self.has_feed_forward:
            last += [self.position_feed_forward, self.feed_forward.last]
        for module in last:
            if isinstance(module, nn.Module):
                for parameter in module.parameters():
                    nn.init.zeros_(parameter)


def _feed_forward(
    config: ModelConfig, width: int, index: int
) -> FeedForward | FrequencyFeedForward:
    if config.feed_forward_kind == "mlp":
        return FeedForward(width, config.feed_forward)
    # EVSSM turns the whole block, and with it the border at which patches are completed.
    ahead = config.mixer == "evssm" and path_of(index).endswith("_rev")
    return FrequencyFeedForward(width, config.feed_forward, ahead=ahead)


class SBlock(nn.Sequential):
    """The figure's S-block: `depth` blocks in a row; `first` is the first one's number."""

    def __init__(
        self, config: ModelConfig, width: int, level: int, depth: int, first: int = 0
    ) -> None:
        super().__init__(*(Block(config, width, level, first + i) for i in range(depth)))
