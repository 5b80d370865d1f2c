"""From weights that were found to a network ready to run."""

import torch
from torch import nn

from serpent_cli.errors import ModelError
from serpent_cli.model.unet import build_model
from serpent_cli.zoo.card import Card
from serpent_cli.zoo.locate import Located, locate


def load_model(model: str | Located, device: torch.device) -> tuple[nn.Module, Card]:
    """Load weights, checked against their card, in eval mode.

    Args:
        model: A name or path, or what `locate` found by it.
        device: Where the network is to lie.

    Raises:
        ModelError: Unknown, missing, corrupt, or not the file that the card describes.
    """
    found = locate(model) if isinstance(model, str) else model
    path, card, weights = found.path, found.card, found.weights
    if weights.sha256 != card.sha256:
        raise ModelError(
            f"the weights {path} are not those that their card describes (sha256 differs)",
            hint="fetch or reinstall them",
        )
    weights.check_fit(path)
    if weights.config != card.config:
        raise ModelError(f"the weights {path} and their card disagree about the network's sizes")
    with torch.device("meta"):
        network = build_model(weights.config)
    state = {name: tensor.float() for name, tensor in weights.tensors.items()}
    network.load_state_dict(state, assign=True)
    return network.to(device).eval().requires_grad_(False), card
