"""From a name or path to a network ready to run."""

import torch
from torch import nn

from serpent_cli.errors import ModelError
from serpent_cli.model.unet import build_model
from serpent_cli.version import DISTRIBUTION
from serpent_cli.zoo.card import Card
from serpent_cli.zoo.checkpoint import read_weights, sha256
from serpent_cli.zoo.locate import locate


def load_model(name_or_path: str, device: torch.device) -> tuple[nn.Module, Card]:
    """Load weights, checked against their card, in eval mode.

    Raises:
        ModelError: Unknown, missing, corrupt, or not the file that the card describes.
    """
    path, card = locate(name_or_path)
    if not path.is_file():
        raise ModelError(
            f"the weights {path} of {card.name} are missing", hint=f"reinstall {DISTRIBUTION}"
        )
    if sha256(path) != card.sha256:
        raise ModelError(
            f"the weights {path} are not those that their card describes (sha256 differs)",
            hint="fetch or reinstall them",
        )
    tensors, config = read_weights(path, fitting=True)
    if config != card.config:
        raise ModelError(f"the weights {path} and their card disagree about the network's sizes")
    with torch.device("meta"):
        model = build_model(config)
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return model.to(device).eval().requires_grad_(False), card
