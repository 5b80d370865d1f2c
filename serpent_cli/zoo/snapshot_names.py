"""CST's and CFSDCN's published networks by their authors' names: told apart, sized and renamed.

The names are those of `hyperspectral_names`, and of nothing else: what they do not have is refused.
CST-L has two estimators of where there is detail, which are called `fe.0` and `fe.1` there.
"""

import re
from dataclasses import fields
from typing import Any, Literal

import torch
from torch import Tensor

from serpent_cli.errors import ModelError
from serpent_cli.model.config import ModelConfig
from serpent_cli.zoo.checkpoint import shapes_of
from serpent_cli.zoo.hyperspectral_names import laid_out, ours
from serpent_cli.zoo.tensor_file import shown
from serpent_cli.zoo.vmamba_names import Translation, shape_of

Kind = Literal["cst", "cfsdcn"]

_STAGES = ("encoder_layers.0.0", "encoder_layers.1.0", "bottleneck")
_STAGE = "|".join(map(re.escape, _STAGES))
_MARKS: dict[Kind, str] = {
    "cst": rf"(?:{_STAGE})\.blocks\.\d+\.attn\.fn\.to_q\.weight",
    "cfsdcn": rf"(?:{_STAGE})\.blocks\.\d+\.dcn\.input_proj\.weight",
}
_FIRST = {"cst": "fution.weight", "cfsdcn": "patch_embed.proj.weight"}
"""Whose rows are the finest scale's channels."""


def snapshot_kind(tensors: dict[str, Tensor]) -> Kind | None:
    """Which of the two networks a state dict is of, complete or not; None: of neither."""
    for kind, mark in _MARKS.items():
        if any(re.fullmatch(mark, name) for name in tensors):
            return kind
    return None


def translate_snapshot(
    kind: Kind, tensors: dict[str, Tensor]
) -> tuple[Translation, dict[str, Any]]:
    """Give a network's parameters our names and layouts; and its sizes, none where it is wrong."""
    made = Translation()
    needed = {"fution.weight", _FIRST[kind]}
    lacking = [name for name in sorted(needed) if name not in tensors or tensors[name].ndim != 4]
    if lacking:
        made.wrong += [(name, "", "wanted, with 4 axes") for name in lacking]
        return made, {}
    sizes = _sizes(kind, tensors)
    try:
        wanted = shapes_of(ModelConfig.from_dict(sizes))
    except ModelError as error:
        made.wrong.append((_FIRST[kind], shape_of(tensors[_FIRST[kind]]), error.message))
        return made, {}
    for name, tensor in tensors.items():
        own = ours(kind, name)
        if own in wanted:
            like = torch.empty(wanted[own], device="meta")
            made.add(own, laid_out(own, tensor, like), name)
        else:
            made.wrong.append((shown(name), shape_of(tensor), "found, not known"))
    if kind == "cst":
        made.notes.append("its authors draw a hash for each snapshot; here it is always the same")
    return made, {} if made.wrong else sizes


def _sizes(kind: Kind, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Every size of the network as the names and shapes tell it."""
    depths = [_depth(stage, tensors) for stage in _STAGES]
    width = tensors[_FIRST[kind]].shape[0]
    usual = {each.name: each.default for each in fields(ModelConfig) if each.name != "version"}
    several = kind == "cst" and any(name.startswith("fe.1.") for name in tensors)
    return {
        **usual, "topology": kind, "channels": tensors["fution.weight"].shape[0],
        "widths": [width, 2 * width, 4 * width], "depths_down": depths, "depths_up": depths,
        "depth_bottleneck": 0, "patch_size": 1, "estimators": 2 if several else 1,
    }  # fmt: skip


def _depth(stage: str, tensors: dict[str, Tensor]) -> int:
    """Blocks of a stage."""
    block = re.compile(rf"{re.escape(stage)}\.blocks\.(\d{{1,4}})\.")
    return max((int(found[1]) + 1 for name in tensors if (found := block.match(name))), default=0)
