"""VMamba's names and layouts of parameters, mapped to ours; written from its published layout.

Only the insides of blocks are mapped: VMamba (arXiv 2401.10166, MIT) is where Serpent's come from.
The parts around them (patchifier, d1 .. d3, b, u3 .. u1, depatchifier) must have our names already:
nobody has published Serpent's own layout, so that there is nothing to map from. `TABLE` has what a
block that is called `d1.blocks.0` or `b.0` may hold of VMamba's, in v0 (`self_attention`, `ln_1`)
and v05 (`op`, `norm`, without a gate and a bias of the convolution, which is zero then).

VMamba's K paths are those of ours: row, column, row reversed, column reversed. No state dict tells
what norms add to the variance: 1e-5, as ours do, in VMamba's networks; its block alone, built
without them, 1e-6.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from serpent_cli.zoo.tensor_file import shown

PREFIXES = ("module.", "_orig_mod.", "model.")
PATHS = 4

Row = tuple[str, str, str]
Change = Callable[[Tensor], Tensor]


def _same(tensor: Tensor) -> Tensor:
    return tensor


def _linear(tensor: Tensor) -> Tensor:
    """A 1x1 convolution (O, I, 1, 1) is the linear map (O, I)."""
    return tensor.flatten(1) if tensor.ndim == 4 and tensor.shape[2:] == (1, 1) else tensor


def _by_path(tensor: Tensor) -> Tensor:
    """(K·D, ...) as (K, D, ...)."""
    return tensor.unflatten(0, (PATHS, -1))


def _swapped(tensor: Tensor) -> Tensor:
    """(K, D, R) as (K, R, D)."""
    return tensor.transpose(1, 2)


TABLE: dict[str, tuple[str, Change]] = {
    "ln_1.weight": ("norm.weight", _same),
    "ln_1.bias": ("norm.bias", _same),
    "op.in_proj.weight": ("mixer.project_in.weight", _linear),
    "op.conv2d.weight": ("mixer.conv.weight", _same),
    "op.conv2d.bias": ("mixer.conv.bias", _same),
    "op.x_proj_weight": ("mixer.scan.weight", _same),
    "op.dt_projs_weight": ("mixer.scan.dt_weight", _swapped),
    "op.dt_projs_bias": ("mixer.scan.dt_bias", _same),
    "op.A_logs": ("mixer.scan.A_log", _by_path),
    "op.Ds": ("mixer.scan.D_skip", _by_path),
    "op.out_norm.weight": ("mixer.norm.weight", _same),
    "op.out_norm.bias": ("mixer.norm.bias", _same),
    "op.out_proj.weight": ("mixer.project_out.weight", _linear),
    "norm2.weight": ("norm_feed_forward.weight", _same),
    "norm2.bias": ("norm_feed_forward.bias", _same),
    "mlp.fc1.weight": ("feed_forward.0.weight", _linear),
    "mlp.fc1.bias": ("feed_forward.0.bias", _same),
    "mlp.fc2.weight": ("feed_forward.2.weight", _linear),
    "mlp.fc2.bias": ("feed_forward.2.bias", _same),
}
_BLOCK = re.compile(r"((?:[du][123]\.blocks|b)\.[0-9]+\.)(.+)")


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


def translate(tensors: dict[str, Tensor], *, gate: bool) -> Translation:
    """Give tensors our names and layouts; what is no part of VMamba's blocks stays as it is.

    Args:
        tensors: By their names.
        gate: Whether in_proj is the input's and the gate's, one above the other.
    """
    made = Translation()
    for found, tensor in tensors.items():
        block = _BLOCK.fullmatch(found)
        start, part = block.groups() if block else ("", found)
        part = part.replace("self_attention.", "op.", 1)
        ours, change = TABLE.get(part, (part, _same)) if block else (part, _same)
        try:
            changed = change(tensor)
        except (RuntimeError, IndexError):  # torch's, of an axis that is not there
            made.wrong.append((shown(found), shape_of(tensor), "not as VMamba lays it out"))
            continue
        if gate and part == "op.in_proj.weight":
            changed, *gates = changed.chunk(2)
            for each in gates:
                made.add(f"{start}mixer.project_gate.weight", each, found)
        made.add(start + ours, changed, found)
        if part == "op.conv2d.weight" and found.replace(".weight", ".bias") not in tensors:
            made.add(f"{start}mixer.conv.bias", tensor.new_zeros(tensor.shape[:1]), found)
            made.notes.append(f"{found.removesuffix('.weight')} has no bias: ours is zero")
    return made


def shape_of(tensor: Tensor) -> str:
    """A shape for a table."""
    return str(tuple(tensor.shape))
