"""Token mixers: one file for each; all map (B, H, W, C) to (B, H, W, C)."""

from torch import nn

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.mixers.evssm import Evssm
from serpent_cli.model.mixers.mhs import MultiHeadScan
from serpent_cli.model.mixers.plain import Plain
from serpent_cli.model.mixers.spatial import Spatial
from serpent_cli.model.mixers.ss2d import SS2D
from serpent_cli.model.mixers.v2m import V2M


def build_mixer(config: ModelConfig, width: int, level: int = 0, index: int = 0) -> nn.Module:
    """The mixer that `config` names.

    Args:
        config: Sizes of the network.
        width: C, channels of the block.
        level: Its token scale, 0 (finest) to 3.
        index: Its number in the network, in the order in which blocks run.
    """
    if config.mixer == "evssm":
        return Evssm(config, width, config.window_tokens(level), index)
    mixers = {"ss2d": SS2D, "spatial": Spatial, "plain": Plain, "v2m": V2M, "mhs": MultiHeadScan}
    return mixers[config.mixer](config, width)
