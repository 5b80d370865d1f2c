"""The network as huggingface_hub's mixin loads and saves it, for use from Python."""

import dataclasses
from typing import Any

from huggingface_hub import PyTorchModelHubMixin

from serpent_cli.errors import ModelError
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import Serpent as Network
from serpent_cli.version import DISTRIBUTION


class Serpent(
    Network,
    PyTorchModelHubMixin,
    library_name=DISTRIBUTION,
    repo_url="https://arxiv.org/abs/2403.17902",
    pipeline_tag="image-to-image",
    coders={ModelConfig: (dataclasses.asdict, ModelConfig.from_dict)},
):
    """`model.unet.Serpent` with `from_pretrained`, `save_pretrained` and `push_to_hub`.

    `Serpent.from_pretrained("owner/repo")` gives the bare network, in eval mode: (B, 3, H, W) in
    [0, 1]. Nothing pads, tiles or checks around it: that is what `Restorer.from_pretrained` does.

    Args:
        config: Sizes of the network.
    """

    def __init__(self, config: ModelConfig) -> None:
        if config.topology != "serpent":
            raise ModelError(
                f"these are weights of another network: {config.topology}",
                hint="Restorer.from_pretrained runs them",
            )
        super().__init__(config)

    @classmethod
    def from_pretrained(cls, *args: Any, **options: Any) -> "Serpent":
        """The mixin's, but a file that does not fit the network is an error."""
        return super().from_pretrained(*args, **{"strict": True, **options})
