"""Memory for time: gradient checkpointing (Chen et al., arXiv 1604.06174), per S-block."""

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from serpent_cli.model.block import SBlock


def recompute_blocks(model: nn.Module) -> None:
    """Let every S-block keep only its input, and compute the rest anew for its gradient.

    The network's parameters, their names and its results stay what they are.
    """
    for module in model.modules():
        if isinstance(module, SBlock):
            # Nothing in a block is random: there is no state of a generator to restore.
            module.forward = partial(
                checkpoint, module.forward, use_reentrant=False, preserve_rng_state=False
            )
