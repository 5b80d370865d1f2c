"""Foreign state dicts to weights of ours: read, renamed, checked against the network, or refused.

Nobody has published how the weights of Serpent's authors are laid out, so that there is nothing to
convert them by. What can be converted: networks whose outer parts bear our names, and whose blocks
bear ours or VMamba's (see `vmamba_names`), and, by their authors' names, the networks EVSSM
(`evssm_names`), CST and CFSDCN (`snapshot_names`).

Nothing is guessed: a name that is not known, a parameter that is missing, a shape that differs, or
a size of the network that nobody tells, refuses the whole file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from serpent_cli.errors import ModelError, reason_of
from serpent_cli.model.config import LATER, ModelConfig
from serpent_cli.zoo.checkpoint import shapes_of
from serpent_cli.zoo.evssm_names import is_evssm, translate_evssm
from serpent_cli.zoo.pickle_reader import Foreign, read_pickle
from serpent_cli.zoo.snapshot_names import snapshot_kind, translate_snapshot
from serpent_cli.zoo.tensor_file import read_json, read_tensor_file, shown
from serpent_cli.zoo.vmamba_names import Row, Translation, shape_of, strip_prefixes, translate

CONFIG_LIMIT = 2**16  # bytes


class UnmatchedError(ModelError):
    """A foreign network is not one of ours.

    Attributes:
        rows: Every name that does not fit: itself, its shape, what is wrong. The first is the head.
    """

    def __init__(self, message: str, hint: str, rows: list[Row]) -> None:
        super().__init__(message, hint)
        self.rows = [("name", "shape", "what is wrong"), *rows]


@dataclass(frozen=True)
class Converted:
    """A network of ours.

    Attributes:
        tensors: Its parameters by our names, as precise as they were found.
        config: Its sizes.
        notes: What was chosen, left aside, renamed or filled in on the way.
    """

    tensors: dict[str, Tensor]
    config: ModelConfig
    notes: tuple[str, ...]


def convert(path: Path, sizes: dict[str, Any] | None = None) -> Converted:
    """Turn a foreign file into a network of ours.

    Args:
        path: A file of torch.save (.pth, .pt, .ckpt, ...), or .safetensors.
        sizes: Entries of its `ModelConfig`; all of them, unless the file is one of ours
            or of a published network, which tell their own.

    Raises:
        UnmatchedError: It is not one of ours, with a table of all that differs.
        ModelError: It cannot be read, wants to run code, is damaged, or its sizes are not told.
    """
    foreign = _read(path)
    stripped, notes = strip_prefixes(foreign.tensors)
    if (published := _published(stripped)) is not None:
        made, own = published
        if made.wrong:
            raise _unmatched(path, [*_unusable(foreign), *made.wrong])
        config = _config(path, {**own, **(sizes or {})})
    else:
        config = _config(path, {**foreign.sizes, **(sizes or {})})
        made = translate(stripped, gate=config.gate)
    if wrong := [*_unusable(foreign), *made.wrong]:
        raise _unmatched(path, wrong)
    if differing := _differing(made.tensors, config):
        raise _unmatched(path, differing)
    # A copy of each: halves of one tensor cannot be written as two.
    own = {
        name: tensor.clone(memory_format=torch.contiguous_format)
        for name, tensor in made.tensors.items()
    }
    return Converted(own, config, (*foreign.notes, *notes, *_short(made.notes)))


def _published(tensors: dict[str, Tensor]) -> tuple[Translation, dict[str, Any]] | None:
    """The parameters and the sizes of a network that has its authors' names; None: it is none."""
    if is_evssm(tensors):
        return translate_evssm(tensors)
    kind = snapshot_kind(tensors)
    return None if kind is None else translate_snapshot(kind, tensors)


def read_sizes(path: Path) -> dict[str, Any]:
    """Read a JSON file of `ModelConfig` entries.

    Raises:
        ModelError: It cannot be read, or holds no JSON object.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            record = read_json(stream.read(CONFIG_LIMIT))
    except OSError as error:
        raise ModelError(f"cannot read the configuration {path}: {reason_of(error)}") from error
    except ValueError as error:
        raise ModelError(f"the configuration {path} is no JSON: {error}") from error
    if not isinstance(record, dict):
        raise ModelError(
            f"the configuration {path} is no table of names and values",
            hint="as the config of a model's card",
        )
    return cast("dict[str, Any]", record)


def _read(path: Path) -> Foreign:
    if not path.is_file():
        raise ModelError(f"there is no file {path}", hint="give a .pth, .pt, .ckpt or .safetensors")
    if path.suffix.lower() != ".safetensors":
        return read_pickle(path)
    found = read_tensor_file(path)
    return Foreign(found.tensors, sizes=_sizes_in(path, found.metadata))


def _sizes_in(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """The configuration in a header, which weights of ours carry; empty in those of others.

    Raises:
        ModelError: It is no JSON object.
    """
    try:
        record = read_json(metadata.get("serpent", "{}"))
    except ValueError as error:
        raise ModelError(f"the configuration in {path} is no JSON: {shown(str(error))}") from error
    if not isinstance(record, dict):
        raise ModelError(f"the configuration in {path} is no table of names and values")
    return cast("dict[str, Any]", record)


def _config(path: Path, told: dict[str, Any]) -> ModelConfig:
    """The network's sizes, every one of them told."""
    found = {**LATER, **told}
    fields = set(ModelConfig.__dataclass_fields__) - {"version"}
    if lacking := sorted(fields - set(found)):
        raise ModelError(
            f"{path} does not say its network's {', '.join(lacking)}",
            hint="give --config FILE.json, as the config of a model's card has it",
        )
    return ModelConfig.from_dict(found)


def _differing(tensors: dict[str, Tensor], config: ModelConfig) -> list[Row]:
    """How parameters differ from those of a network, in the order of their names."""
    wanted = shapes_of(config)
    rows: list[Row] = []
    for name in sorted(wanted.keys() | tensors.keys()):
        if name not in wanted:
            rows.append((shown(name), shape_of(tensors[name]), "found, not known"))
        elif name not in tensors:
            rows.append((name, str(wanted[name]), "wanted, missing"))
        elif tuple(tensors[name].shape) != wanted[name]:
            rows.append((name, shape_of(tensors[name]), f"must be {wanted[name]}"))
    return rows


def _unusable(foreign: Foreign) -> list[Row]:
    return [(name, "", f"found, {what}") for name, what in sorted(foreign.unusable.items())]


def _unmatched(path: Path, rows: list[Row]) -> UnmatchedError:
    count = f"{len(rows)} entries do" if len(rows) > 1 else "one entry does"
    return UnmatchedError(
        f"{path} is not converted: {count} not match a network of ours",
        "parts around the blocks must have our names; `serpent models convert --help` tells more",
        rows,
    )


def _short(notes: list[str]) -> list[str]:
    """The first note of many alike, with their number."""
    return notes if len(notes) < 3 else [f"{notes[0]} (so in {len(notes)} blocks)"]
