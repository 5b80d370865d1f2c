"""Starting a run from the weights of another one."""

import torch
from torch import Tensor, nn

from serpent_cli.errors import ModelError
from serpent_cli.model.block import Block, SBlock
from serpent_cli.model.config import ModelConfig


def start_from(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Give a network the weights of a finished one, which may have other depths or another scale.

    A block that the weights lack starts as the identity, so that the deeper network begins with
    exactly the finished one's pictures (Net2DeeperNet, arXiv 1511.05641). A block that the network
    lacks is left out; the blocks before it stay. What has another shape starts afresh: the
    depatchifier of another scale, and all that touches another width. The finest width must be the
    same, for what is learnt first and longest lies there.

    A network for cubes may start from one for photographs: see `_for_axes`.

    Raises:
        ModelError: The weights are of another network: another finest width, another mixer, ...
    """
    own = model.state_dict()
    weights = _for_axes(model, weights)
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


def _for_axes(model: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights for photographs as a network for the axes of cubes takes them; others as they are.

    A photograph's strongest axes are about brightness, red against blue, and green against both. So
    a cube's first three are taken for these; the network begins with what it does to a picture of
    such colours about a middle grey, and leaves the other axes alone.
    """
    first, last = "patchifier.embed.weight", "depatchifier.project.weight"
    config = getattr(model, "config", None)
    if not isinstance(config, ModelConfig) or config.channels < 3 or first not in weights:
        return weights
    area, channels = config.patch_size**2, config.channels
    wide = {weights[first].shape[1], weights[last].shape[0]}
    if channels == 3 or wide != {3 * area}:
        return weights
    mixing = torch.zeros(channels, 3)
    mixing[:3] = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]])
    mixing[:3] /= mixing[:3].norm(dim=1, keepdim=True)
    made = dict(weights)
    embed = weights[first].float()
    by_colour = embed.unflatten(1, (3, area))
    made[first] = torch.einsum("kc,wcphv->wkphv", mixing, by_colour).flatten(1, 2)
    bias = first.replace("weight", "bias")
    made[bias] = weights[bias].float() + 0.5 * embed.sum((1, 2, 3))  # of a middle grey
    for name in (last, last.replace("weight", "bias")):
        by_colour = weights[name].float().unflatten(0, (3, area))
        made[name] = torch.einsum("kc,cp...->kp...", mixing, by_colour).flatten(0, 1)
    return made


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
