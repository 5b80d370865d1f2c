"""Weight files: safetensors whose header carries the network's configuration."""

import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from serpent_cli.errors import ModelError
from serpent_cli.model.config import ModelConfig
from serpent_cli.zoo.card import Card


def sha256(path: Path) -> str:
    """Digest of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def save_weights(tensors: dict[str, Tensor], config: ModelConfig, path: Path) -> None:
    """Write weights by parameter name, whole or not at all."""
    part = path.with_suffix(".part")
    save_file(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        part,
        metadata={"serpent": config.to_json()},
    )
    part.chmod(0o644)  # the library writes for the owner alone; weights are to be shared
    os.replace(part, path)


def read_weights(path: Path) -> tuple[dict[str, Tensor], ModelConfig]:
    """Read weights and the configuration in their header.

    Raises:
        ModelError: The file is no safetensors file of ours, is cut off, or holds NaN or infinities.
    """
    config = read_config(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError) as error:
        raise _corrupt(path, str(error)) from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise _corrupt(path, f"{name} is not finite")
    return tensors, config


def read_config(path: Path) -> ModelConfig:
    """The configuration in a weight file's header.

    Raises:
        ModelError: The file is no safetensors file of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise _corrupt(path, str(error)) from error
    if "serpent" not in metadata:
        raise ModelError(
            f"{path} holds no Serpent configuration",
            hint="only weights written by `serpent train` can be loaded",
        )
    try:
        return ModelConfig.from_dict(json.loads(metadata["serpent"]))
    except ValueError as error:
        raise _corrupt(path, "its configuration is no JSON") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error.message}", hint=error.hint) from error


def card_of_file(path: Path) -> Card:
    """A card for weights that lie somewhere without one: only what the file itself tells."""
    config = read_config(path)
    return Card(
        name=path.stem,
        task="deblur" if config.scale == 1 else "upscale",
        scale=config.scale,
        file=path.name,
        sha256=sha256(path),
        licence="unknown",
        description="Weights without a card.",
        config=config,
        margin=64,
    )


def _corrupt(path: Path, why: str) -> ModelError:
    return ModelError(
        f"the weights {path} are corrupt or no safetensors file: {why}",
        hint="fetch or reinstall them; `serpent doctor` verifies the bundled ones",
    )
