"""Weight files: safetensors whose header carries the network's configuration."""

import contextlib
import dataclasses
import os
import secrets
import stat
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from serpent_cli.errors import ModelError, SerpentError
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.zoo.card import Card, Task
from serpent_cli.zoo.digest import sha256
from serpent_cli.zoo.header import Header, corrupt, read_header, read_tensors, shown, strict_json


def save_weights(tensors: dict[str, Tensor], config: ModelConfig, path: Path) -> None:
    """Write weights by parameter name, whole or not at all.

    Raises:
        SerpentError: The file cannot be written.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        # The library writes for the owner alone; weights are to be shared, unless they are not.
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
            part,
            metadata={"serpent": config.to_json()},
        )
        part.chmod(mode)
        os.replace(part, path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise SerpentError(
            f"cannot write the weights {path}: {error}", hint="is there such a folder, and room?"
        ) from error


def read_weights(path: Path, *, fitting: bool = False) -> tuple[dict[str, Tensor], ModelConfig]:
    """Read weights and the configuration in their header.

    Args:
        path: The file.
        fitting: Refuse what does not fit the network that the file names, before it is read.

    Raises:
        ModelError: The file is no safetensors file of ours, is cut off, holds NaN or infinities, or
            does not fit.
    """
    header = read_header(path)
    config = _config(path, header)
    if fitting:
        check_fit(path, header, config)
    return read_tensors(path, header), config


def read_config(path: Path) -> ModelConfig:
    """The configuration in a weight file's header.

    Raises:
        ModelError: The file is no safetensors file of ours.
    """
    return _config(path, read_header(path))


def check_fit(path: Path, header: Header, config: ModelConfig) -> None:
    """Compare a file's names and shapes with a network's; no number is read or allocated.

    Raises:
        ModelError: They differ, with the first that does.
    """
    if why := _misfit(header, config):
        raise ModelError(
            f"the weights {path} do not fit the network they name: {why}",
            hint="fetch or reinstall them",
        )


def shapes_of(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's parameters.

    The blocks of an S-block are alike: one of each is laid out, so that a configuration from
    elsewhere cannot make us build hundreds.
    """
    if config.topology == "cst":
        with torch.device("meta"):
            whole: dict[str, Tensor] = build_model(config).state_dict()
        return {name: tuple(parameter.shape) for name, parameter in whole.items()}
    depths = {
        **{f"d{i + 1}.blocks": depth for i, depth in enumerate(config.depths_down)},
        **{f"u{i + 1}.blocks": depth for i, depth in enumerate(config.depths_up)},
        "b": config.depth_bottleneck,
    }
    shallow = dataclasses.replace(
        config,
        depths_down=(1, 1, 1),
        depth_bottleneck=min(1, config.depth_bottleneck),
        depths_up=(1, 1, 1),
    )
    with torch.device("meta"):
        parameters: dict[str, Tensor] = build_model(shallow).state_dict()
    shapes: dict[str, tuple[int, ...]] = {}
    for name, parameter in parameters.items():
        part, _, rest = name.partition(".0.")
        blocks = range(depths[part]) if part in depths else None
        names = [name] if blocks is None else [f"{part}.{i}.{rest}" for i in blocks]
        shapes.update(dict.fromkeys(names, tuple(parameter.shape)))
    return shapes


def _misfit(header: Header, config: ModelConfig) -> str | None:
    wanted = shapes_of(config)
    for name in sorted(wanted.keys() | header.tensors.keys()):
        if name not in wanted:
            return f"{shown(name)} is unknown"
        if name not in header.tensors:
            return f"{name} is missing"
        if header.tensors[name].shape != wanted[name]:
            return f"{name} has the shape {header.tensors[name].shape} instead of {wanted[name]}"
    return None


def card_of_file(path: Path) -> Card:
    """A card for weights that lie somewhere without one: only what the file itself tells.

    Raises:
        ModelError: The file is no safetensors file of ours, or not of the network that it names.
    """
    header = read_header(path)
    config = _config(path, header)
    # Before its digest is taken: a file of strangers may be large.
    check_fit(path, header, config)
    return Card(
        name=path.stem,
        task=_task(config),
        scale=config.scale,
        file=path.name,
        sha256=sha256(path),
        licence="unknown",
        description="Weights without a card.",
        config=config,
        margin=64,
    )


def _task(config: ModelConfig) -> Task:
    """What a network is for, as far as its sizes tell."""
    if config.channels != 3:
        return "reconstruct" if config.topology == "cst" else "denoise"
    return "deblur" if config.scale == 1 else "upscale"


def _config(path: Path, header: Header) -> ModelConfig:
    if "serpent" not in header.metadata:
        raise ModelError(
            f"{path} holds no Serpent configuration",
            hint="only weights written by `serpent train` can be loaded",
        )
    try:
        record = strict_json(header.metadata["serpent"])
        return ModelConfig.from_dict(cast("dict[str, Any]", record))
    except ValueError as error:
        raise corrupt(path, f"its configuration is no JSON: {error}") from error
    except ModelError as error:
        hint = error.hint or "fetch them again, or ask whoever made them"
        raise ModelError(f"{path}: {error.message}", hint=hint) from error
