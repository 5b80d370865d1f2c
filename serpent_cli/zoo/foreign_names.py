"""VMamba's names and layouts of parameters, mapped to ours; written from its published layout.

Only the insides of blocks are mapped: VMamba (arXiv 2401.10166, MIT) is where Serpent's come from.
The parts around them (patchifier, d1 .. d3, b, u3 .. u1, depatchifier) must have our names already:
nobody has published Serpent's own layout, so that there is nothing to map from. A block that is
called `d1.blocks.0` or `b.0` may hold, of VMamba's

    ln_1.*, norm.*                  norm.*
    self_attention.*, op.*          mixer.*, by the table below
    norm2.*                         norm_feed_forward.*
    mlp.fc1.*, mlp.fc2.*            feed_forward.0.*, feed_forward.2.*

and within its mixer (K paths, D inner channels, R rank, N states)

    in_proj.weight (2D, C)          project_in.weight, project_gate.weight: (D, C) each (v0)
    in_proj.weight (D, C)           project_in.weight (v05, without a gate)
    conv2d.weight, conv2d.bias      conv.*; without a bias (v05) it is zero, which is the same
    x_proj_weight (K, R + 2N, D)    scan.weight
    dt_projs_weight (K, D, R)       scan.dt_weight (K, R, D)
    dt_projs_bias (K, D)            scan.dt_bias
    A_logs (K·D, N)                 scan.A_log (K, D, N)
    Ds (K·D)                        scan.D_skip (K, D)
    out_norm.*                      norm.*
    out_proj.weight                 project_out.weight

A 1x1 convolution (O, I, 1, 1) is the linear map (O, I). VMamba's k counts row, column, row
reversed, column reversed. No state dict tells what norms add to the variance: 1e-5, as ours do, in
VMamba's networks; its block alone, built without them, 1e-6.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from serpent_cli.model.mixers.ss2d import PATHS
from serpent_cli.zoo.tensor_file import shown

VMAMBA_PATHS = ("row", "col", "row_rev", "col_rev")
PREFIXES = ("module.", "_orig_mod.", "model.")

_BLOCK = re.compile(r"((?:[du][123]\.blocks|b)\.[0-9]+\.)(.+)")
_BLOCK_PARTS = {
    "ln_1.": "norm.",
    "norm2.": "norm_feed_forward.",
    "mlp.fc1.": "feed_forward.0.",
    "mlp.fc2.": "feed_forward.2.",
}
_MIXERS = ("self_attention.", "op.", "mixer.")
_LINEAR = ("in_proj.weight", "out_proj.weight", "mlp.fc1.weight", "mlp.fc2.weight")

Row = tuple[str, str, str]


@dataclass
class Translation:
    """Tensors under our names.

    Attributes:
        tensors: Them.
        wrong: What cannot be mapped: name, what it is, what is wrong.
        notes: What was done beyond renaming.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    wrong: list[Row] = field(default_factory=list[Row])
    notes: list[str] = field(default_factory=list[str])

    def add(self, name: str, tensor: Tensor, found: str) -> None:
        """Take a tensor, unless another one has its name already."""
        if name in self.tensors:
            why = f"{shown(name)} is there already"
            self.wrong.append((shown(found), shape_of(tensor), why))
        else:
            self.tensors[name] = tensor


def strip_prefixes(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Take away what wrappers put before every single name; with a note for each."""
    notes: list[str] = []
    while prefix := next((p for p in PREFIXES if all(n.startswith(p) for n in tensors)), None):
        if not tensors:
            break
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
        notes.append(f"the prefix {prefix} of all names is taken away")
    return tensors, notes


def translate(tensors: dict[str, Tensor]) -> Translation:
    """Give tensors our names and layouts; what is no part of VMamba's blocks stays as it is."""
    made = Translation()
    mixers: dict[str, dict[str, Tensor]] = {}
    for found, tensor in tensors.items():
        block = _BLOCK.fullmatch(found)
        if block is None:
            made.add(found, tensor, found)
            continue
        start, rest = block.groups()
        mixer = next((m for m in _MIXERS if rest.startswith(m)), None)
        if mixer is not None and rest.removeprefix(mixer) in _THEIRS:
            mixers.setdefault(start + mixer, {})[rest.removeprefix(mixer)] = tensor
            continue
        theirs = next((part for part in _BLOCK_PARTS if rest.startswith(part)), None)
        ours = _BLOCK_PARTS[theirs] + rest.removeprefix(theirs) if theirs else rest
        made.add(start + ours, _as_linear(rest, tensor), found)
    for prefix, parts in mixers.items():
        _translate_mixer(made, prefix, parts)
    return made


def shape_of(tensor: Tensor) -> str:
    """A shape for a table."""
    return str(tuple(tensor.shape))


def _translate_mixer(made: Translation, prefix: str, parts: dict[str, Tensor]) -> None:
    """Add one block's SS2D, whose names begin with `prefix`."""
    ours = _BLOCK.fullmatch(prefix + "x")
    assert ours is not None
    start = ours[1] + "mixer."
    sizes = _sizes(parts)
    if sizes is None:
        lacking = "conv2d.weight (D, 1, 3, 3) and x_proj_weight (K, R + 2N, D) must be beside it"
        made.wrong += [(prefix + name, shape_of(each), lacking) for name, each in parts.items()]
        return
    for name, tensor in parts.items():
        taken = _THEIRS[name](_as_linear(name, tensor), *sizes)
        if taken is None:
            wanted = f"not as VMamba lays it out for D = {sizes[0]}, K = {sizes[1]}"
            made.wrong.append((prefix + name, shape_of(tensor), wanted))
            continue
        for ours_name, value in taken.items():
            made.add(start + ours_name, value, prefix + name)
    if "conv2d.bias" not in parts and start + "conv.bias" not in made.tensors:
        made.add(start + "conv.bias", parts["conv2d.weight"].new_zeros(sizes[0]), prefix)
        made.notes.append(f"{prefix}conv2d has no bias: ours is zero")


def _sizes(parts: dict[str, Tensor]) -> tuple[int, int] | None:
    """D and K of a mixer, without which no layout is certain."""
    conv, projection = parts.get("conv2d.weight"), parts.get("x_proj_weight")
    if conv is None or projection is None or conv.ndim != 4 or projection.ndim != 3:
        return None
    return conv.shape[0], projection.shape[0]


def _as_linear(name: str, tensor: Tensor) -> Tensor:
    pointwise = tensor.ndim == 4 and tuple(tensor.shape[2:]) == (1, 1)
    return tensor.flatten(1) if pointwise and name.endswith(_LINEAR) else tensor


def _input(tensor: Tensor, inner: int, _paths: int) -> dict[str, Tensor] | None:
    if tensor.ndim != 2 or tensor.shape[0] not in (inner, 2 * inner):
        return None
    names = ("project_in.weight", "project_gate.weight")
    return dict(zip(names, tensor.split(inner), strict=False))


def _paths_of(tensor: Tensor, paths: int) -> Tensor | None:
    """(K, ...) in the order of our paths."""
    if paths != len(VMAMBA_PATHS) or tensor.ndim == 0 or tensor.shape[0] != paths:
        return None
    return tensor[[VMAMBA_PATHS.index(path) for path in PATHS]]


def _per_path(ours: str, axes: int, *, swapped: bool = False) -> "_Taker":
    """Take (K, ...) of so many axes as `ours`, perhaps with the last two of them exchanged."""

    def take(tensor: Tensor, _inner: int, paths: int) -> dict[str, Tensor] | None:
        ordered = _paths_of(tensor, paths) if tensor.ndim == axes else None
        if ordered is None:
            return None
        return {ours: ordered.transpose(1, 2) if swapped else ordered}

    return take


def _per_path_and_channel(ours: str, axes: int) -> "_Taker":
    """Take (K·D, ...) of so many axes as `ours` (K, D, ...)."""

    def take(tensor: Tensor, inner: int, paths: int) -> dict[str, Tensor] | None:
        if tensor.ndim != axes or tensor.shape[0] != paths * inner:
            return None
        ordered = _paths_of(tensor.unflatten(0, (paths, inner)), paths)
        return None if ordered is None else {ours: ordered}

    return take


def _named(ours: str) -> "_Taker":
    """Take a tensor as it is."""
    return lambda tensor, _inner, _paths: {ours: tensor}


_Taker = Callable[[Tensor, int, int], dict[str, Tensor] | None]

_THEIRS: dict[str, _Taker] = {
    "in_proj.weight": _input,
    "conv2d.weight": _named("conv.weight"),
    "conv2d.bias": _named("conv.bias"),
    "x_proj_weight": _per_path("scan.weight", 3),
    "dt_projs_weight": _per_path("scan.dt_weight", 3, swapped=True),
    "dt_projs_bias": _per_path("scan.dt_bias", 2),
    "A_logs": _per_path_and_channel("scan.A_log", 2),
    "Ds": _per_path_and_channel("scan.D_skip", 1),
    "out_norm.weight": _named("norm.weight"),
    "out_norm.bias": _named("norm.bias"),
    "out_proj.weight": _named("project_out.weight"),
}
