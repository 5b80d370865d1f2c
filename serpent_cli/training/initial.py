"""Starting a run from the weights of another one."""

from torch import Tensor, nn

from serpent_cli.errors import ModelError
from serpent_cli.model.block import Block, SBlock


def start_from(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Give a network the weights of a finished one, which may have other depths or another scale.

    A block that the weights lack starts as the identity, so that the deeper network begins with
    exactly the finished one's pictures (Net2DeeperNet, arXiv 1511.05641). A block that the network
    lacks is left out; the blocks before it stay. What has another shape starts afresh: the
    depatchifier of another scale, and all that touches another width. The finest width must be the
    same, for what is learnt first and longest lies there.

    Raises:
        ModelError: The weights are of another network: another finest width, another mixer, ...
    """
    own = model.state_dict()
    beyond = _left_out(model, weights)
    complete = {name: tensor for name, tensor in weights.items() if name not in beyond}
    fits = (name for name in own if name.startswith("patchifier."))
    if all(name in weights and weights[name].shape == own[name].shape for name in fits):
        for name in own.keys() & weights.keys():
            if weights[name].shape != own[name].shape:
                complete[name] = own[name]
    for name, block in model.named_modules():
        if isinstance(block, Block) and not any(key.startswith(f"{name}.") for key in weights):
            block.silence()
            silent = block.state_dict().items()
            complete.update({f"{name}.{key}": tensor for key, tensor in silent})
    if wrong := _misfit(model, complete):
        raise ModelError(
            f"the weights to start from do not fit the recipe's network: {wrong} is absent, unknown"
            " or has another shape",
            hint="give the recipe's [model] the sizes of `serpent models info`; depths,"
            " scale and the coarser widths may differ",
        )
    model.load_state_dict(complete)


def _left_out(model: nn.Module, weights: dict[str, Tensor]) -> set[str]:
    """Names of the tensors of blocks behind the last one that the network has."""
    return {
        name
        for path, blocks in model.named_modules()
        if isinstance(blocks, SBlock)
        for name in weights
        if name.startswith(f"{path}.")
        and name[len(path) + 1 :].split(".")[0] not in dict(blocks.named_children())
    }


def _misfit(model: nn.Module, tensors: dict[str, Tensor]) -> str | None:
    """Name of a tensor that a network lacks or has in another shape; None: all fit."""
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    given = {name: tensor.shape for name, tensor in tensors.items()}
    return min((name for name, _ in wanted.items() ^ given.items()), default=None)
