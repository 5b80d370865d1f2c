"""Token mixers: one file for each; all map (B, H, W, C) to (B, H, W, C)."""

from torch import nn

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.mixers.plain import Plain
from serpent_cli.model.mixers.spatial import Spatial
from serpent_cli.model.mixers.ss2d import SS2D
from serpent_cli.model.mixers.v2m import V2M


def build_mixer(config: ModelConfig, width: int) -> nn.Module:
    """The mixer that `config` names, for a block of `width` channels."""
    mixers = {"ss2d": SS2D, "spatial": Spatial, "plain": Plain, "v2m": V2M}
    return mixers[config.mixer](config, width)
