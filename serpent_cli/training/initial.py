"""Starting a run from the weights of another one."""

from torch import Tensor, nn

from serpent_cli.errors import ModelError
from serpent_cli.model.block import Block


def start_from(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Give a network the weights of a finished one, which may be shallower or of another scale.

    A block that the weights lack starts as the identity, so that the deeper network begins with
    exactly the finished one's pictures (Net2DeeperNet, arXiv 1511.05641). Of another scale only
    the depatchifier differs; it starts afresh.

    Raises:
        ModelError: The weights are of another network: another width, another mixer, ...
    """
    complete = dict(weights)
    for name, block in model.named_modules():
        if isinstance(block, Block) and not any(key.startswith(f"{name}.") for key in weights):
            block.silence()
            own = block.state_dict().items()
            complete.update({f"{name}.{key}": tensor for key, tensor in own})
    for name, tensor in model.state_dict().items():
        if name.startswith("depatchifier.") and name in weights:
            complete[name] = weights[name] if weights[name].shape == tensor.shape else tensor
    if wrong := _misfit(model, complete):
        raise ModelError(
            f"the weights to start from do not fit the recipe's network: {wrong} is absent, unknown"
            " or has another shape",
            hint="give the recipe's [model] the sizes of `serpent models info`; depths may grow,"
            " and scale may differ",
        )
    model.load_state_dict(complete)


def _misfit(model: nn.Module, tensors: dict[str, Tensor]) -> str | None:
    """Name of a tensor that a network lacks or has in another shape; None: all fit."""
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    given = {name: tensor.shape for name, tensor in tensors.items()}
    return min((name for name, _ in wanted.items() ^ given.items()), default=None)
