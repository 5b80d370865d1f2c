"""One residual block: norm, mixer and, where the config asks for it, norm and feed-forward."""

from torch import Tensor, nn

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.frequency import FrequencyFeedForward
from serpent_cli.model.layers import DepthwiseConv, FeedForward, LayerNorm
from serpent_cli.model.mixers import build_mixer


class Block(nn.Module):
    """x + Mixer(LN(x)), then x + FeedForward(LN(x)); (B, H, W, C) to (B, H, W, C).

    With the spatial mixer each half is preceded by a conditional position encoding, a residual
    depthwise 3x3 convolution (Spatial-Mamba, arXiv 2410.15091).

    Args:
        config: Sizes of the network.
        width: C.
        level: Token scale, 0 (finest) to 3.
    """

    def __init__(self, config: ModelConfig, width: int, level: int) -> None:
        super().__init__()
        positional = config.mixer == "spatial"
        self.position = DepthwiseConv(width) if positional else None
        self.norm = LayerNorm(width)
        self.mixer = build_mixer(config, width)
        self.has_feed_forward = config.has_feed_forward(level)
        if self.has_feed_forward:
            self.position_feed_forward = DepthwiseConv(width) if positional else None
            self.norm_feed_forward = LayerNorm(width)
            kind = {"mlp": FeedForward, "frequency": FrequencyFeedForward}[config.feed_forward_kind]
            self.feed_forward = kind(width, config.feed_forward)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the tokens, then their channels."""
        if self.position is not None:
            x = x + self.position(x)
        x = self.mixer(self.norm(x)).add_(x)
        if self.has_feed_forward:
            if self.position_feed_forward is not None:
                x = x + self.position_feed_forward(x)
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


class SBlock(nn.Sequential):
    """The figure's S-block: `depth` blocks in a row."""

    def __init__(self, config: ModelConfig, width: int, level: int, depth: int) -> None:
        super().__init__(*(Block(config, width, level) for _ in range(depth)))
