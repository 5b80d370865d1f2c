"""EVSSM's names and layouts of parameters, mapped to ours (arXiv 2405.14343, MIT code).

Their network turns the stream of features before each block: it is transposed before the first
block of a stage, flipped about both axes before the second, and so on, and never turned back.
Ours leaves the stream as it is, so that a kernel k of theirs is turned here, once:

    turn of the stream            kernel of ours          mask of ours          path
    transposed                    kᵀ                      transposed            col
    transposed and flipped        kᵀ flipped              transposed            col_rev
    flipped                       k flipped               the same              row_rev
    none                          k                       the same              row

A mask weighs the frequencies (8, 5) of a real picture: half of (8, 8), the rest of which mirrors
it. Of two weights that mirror each other only the mean is seen, as real pictures have it. A flip
leaves all of them where they are.
"""

import re
from typing import Any

import torch
from torch import Tensor

from serpent_cli.zoo.tensor_file import shown
from serpent_cli.zoo.vmamba_names import Translation, shape_of

WINDOW = 384  # pixels: what their program scans at a time when it restores whole pictures
STAGES = {
    "encoder_level1": "d1", "encoder_level2": "d2", "encoder_level3": "d3",
    "decoder_level3": "u3", "decoder_level2": "u2", "decoder_level1": "u1",
}  # fmt: skip
# Convolutions between stages: theirs, ours, and the stage after which the stream is as there.
CONVS = {
    "patch_embed.proj.weight": ("embed.weight", None),
    "down1_2.body.1.weight": ("d1.shrink.weight", "encoder_level1"),
    "down2_3.body.1.weight": ("d2.shrink.weight", "encoder_level2"),
    "up3_2.body.1.weight": ("u3.enlarge.weight", "decoder_level3"),
    "up2_1.body.1.weight": ("u2.enlarge.weight", "decoder_level2"),
    "output.weight": ("output.weight", "decoder_level1"),
}
# Parts of a block: theirs, ours, and the number of theirs's axes.
PARTS = {
    "norm1.body.weight": ("norm.weight", 1),
    "norm1.body.bias": ("norm.bias", 1),
    "attn.in_proj.weight": ("mixer.project_in.weight", 2),
    "attn.conv2d.weight": ("mixer.conv.weight", 4),
    "attn.conv2d.bias": ("mixer.conv.bias", 1),
    "attn.x_proj_weight": ("mixer.scan.weight", 3),
    "attn.dt_projs_weight": ("mixer.scan.dt_weight", 3),
    "attn.dt_projs_bias": ("mixer.scan.dt_bias", 2),
    "attn.A_logs": ("mixer.scan.A_log", 2),
    "attn.Ds": ("mixer.scan.D_skip", 1),
    "attn.x_conv.weight": ("mixer.smooth.weight", 3),
    "attn.x_conv.bias": ("mixer.smooth.bias", 1),
    "attn.out_norm.weight": ("mixer.norm.weight", 1),
    "attn.out_norm.bias": ("mixer.norm.bias", 1),
    "attn.out_proj.weight": ("mixer.project_out.weight", 2),
    "norm2.body.weight": ("norm_feed_forward.weight", 1),
    "norm2.body.bias": ("norm_feed_forward.bias", 1),
    "ffn.fft": ("feed_forward.mask", 5),
    "ffn.project_in.weight": ("feed_forward.project_in.weight", 4),
    "ffn.dwconv.weight": ("feed_forward.conv.weight", 4),
    "ffn.project_out.weight": ("feed_forward.project_out.weight", 4),
}
_BLOCK = re.compile(r"((?:en|de)coder_level[123])\.block([0-9]{1,4})\.(.+)")


def is_evssm(tensors: dict[str, Tensor]) -> bool:
    """Whether a state dict is one of EVSSM's network, complete or not."""
    return "encoder_level1.block0.attn.x_conv.weight" in tensors


def translate_evssm(tensors: dict[str, Tensor]) -> tuple[Translation, dict[str, Any]]:
    """Give EVSSM's parameters our names, layouts and turns; and the sizes of the network."""
    made = Translation()
    depths = _depths(tensors)
    if odd := [name for name, depth in depths.items() if depth < 1 or depth % 2]:
        why = "a stage must have an even number of blocks, or the stream is not turned back"
        made.wrong += [(name, f"{depths[name]} blocks", why) for name in odd]
        return made, {}
    firsts = {name: sum(list(depths.values())[:i]) for i, name in enumerate(depths)}
    for name, tensor in tensors.items():
        if name in CONVS and tensor.ndim == 4:
            ours, stage = CONVS[name]
            before = 0 if stage is None else firsts[stage] + depths[stage]
            made.add(ours, turned(tensor, before - 1), name)
        elif block := _BLOCK.fullmatch(name):
            stage, number, part = block.groups()
            start = f"{STAGES[stage]}.blocks.{int(number)}."
            wrong = _add_part(made, start, part, tensor, firsts[stage] + int(number))
            made.wrong += [(shown(name), shape_of(tensor), why) for why in wrong]
        else:
            made.wrong.append((shown(name), shape_of(tensor), "found, not known"))
    sizes = {} if made.wrong else _sizes(made.tensors, depths)
    if sizes:
        made.notes.append(
            f"windows of {WINDOW} pixels are scanned one by one, as their program does;"
            ' --config with {"window": 0} scans whole pictures'
        )
    return made, sizes


def turned(kernel: Tensor, block: int) -> Tensor:
    """A kernel (..., 3, 3) of theirs that works as block number `block` leaves the stream."""
    if block % 4 in (0, 1):
        kernel = kernel.transpose(-1, -2)
    return kernel.flip(-1, -2) if block % 4 in (1, 2) else kernel


def turned_mask(mask: Tensor, block: int) -> Tensor:
    """A mask (C, 8, 5) of theirs in the turn of the stream of block number `block`."""
    if block % 4 not in (0, 1):
        return mask
    side = mask.shape[1]
    mirrored = (-torch.arange(side)) % side
    whole = torch.cat((mask, mask[:, mirrored, 1 : side // 2].flip(2)), 2)
    for column in (0, side // 2):  # these are their own mirror image
        whole[:, :, column] = (mask[:, :, column] + mask[:, mirrored, column]) / 2
    return whole.transpose(1, 2)[..., : side // 2 + 1]


def _depths(tensors: dict[str, Tensor]) -> dict[str, int]:
    """Blocks of each stage, in the order in which they run."""
    depths = dict.fromkeys(STAGES, 0)
    for name in tensors:
        if block := _BLOCK.fullmatch(name):
            depths[block[1]] = max(depths[block[1]], int(block[2]) + 1)
    return depths


def _add_part(
    made: Translation, start: str, part: str, tensor: Tensor, block: int
) -> list[str]:  # fmt: skip
    """Add one parameter of a block; what is wrong with it, if anything is."""
    if part not in PARTS:
        return ["found, not known"]
    ours, axes = PARTS[part]
    if tensor.ndim != axes:
        return [f"must have {axes} axes"]
    if part == "attn.in_proj.weight":
        into, *gate = tensor.chunk(2)
        made.add(start + ours, into, part)
        for each in gate:
            made.add(start + "mixer.project_gate.weight", each, part)
        return []
    if part in ("attn.conv2d.weight", "ffn.dwconv.weight"):
        tensor = turned(tensor, block)
    elif part == "ffn.fft":
        if tuple(tensor.shape[1:]) != (1, 1, 8, 5):
            return ["must be (C, 1, 1, 8, 5)"]
        tensor = turned_mask(tensor.flatten(1, 3).view(len(tensor), 8, 5), block)
    elif part == "attn.dt_projs_weight":
        tensor = tensor.transpose(1, 2)
    elif part in ("attn.A_logs", "attn.Ds"):
        tensor = tensor[None]
    elif axes == 4:
        tensor = tensor.flatten(1)
    made.add(start + ours, tensor, start + part)
    return []


def _sizes(tensors: dict[str, Tensor], depths: dict[str, int]) -> dict[str, Any]:
    """The network's configuration; empty where a tensor that tells it is missing."""
    needed = ("norm.weight", "mixer.conv.weight", "mixer.scan.A_log",
              "feed_forward.project_out.weight")  # fmt: skip
    levels = [[tensors.get(f"d{level}.blocks.0.{name}") for name in needed] for level in (1, 2, 3)]
    known = [[t for t in level if t is not None] for level in levels]
    if any(len(level) != len(needed) for level in known):
        return {}
    widths = [level[0].shape[0] for level in known]
    _, conv, states, out = known[0]
    blocks = list(depths.values())
    return {
        "topology": "evssm", "mixer": "evssm", "widths": widths, "depths_down": blocks[:3],
        "depth_bottleneck": 0, "depths_up": blocks[:2:-1], "patch_size": 1, "scale": 1,
        "state_size": states.shape[-1], "expand": conv.shape[0] / widths[0], "gate": True,
        "feed_forward": out.shape[-1] / widths[0], "feed_forward_from": 0,
        "feed_forward_kind": "frequency", "join": "add", "residual": "image", "window": WINDOW,
        "border": "zeros",
    }  # fmt: skip
