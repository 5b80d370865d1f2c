"""Weight files: safetensors whose header carries the network's configuration."""

import dataclasses
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self, cast

import torch
from safetensors.torch import save
from torch import Tensor

from serpent_cli.errors import ModelError
from serpent_cli.model.config import SNAPSHOT_TOPOLOGIES, ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.whole_files import new_file
from serpent_cli.zoo.card import Card, Task
from serpent_cli.zoo.tensor_file import corrupt, read_json, read_tensor_file, shown


def save_weights(tensors: dict[str, Tensor], config: ModelConfig, path: Path) -> None:
    """Write weights by parameter name, whole or not at all.

    Raises:
        PictureError: The file cannot be written.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with new_file(path, force=True) as stream:
        stream.write(save(plain, {"serpent": config.to_json()}))


@dataclass(frozen=True)
class Weights:
    """What a file of weights holds.

    Attributes:
        tensors: Parameters by name: float32, float16 or bfloat16, all finite.
        config: The configuration in its header.
        sha256: Digest of the bytes that both were read from.
    """

    tensors: dict[str, Tensor]
    config: ModelConfig
    sha256: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file, opening it once.

        Raises:
            ModelError: It is no safetensors file of ours, is cut off, has more numbers than the
                network that it names, or some that are not finite.
        """

        def admit(metadata: dict[str, str], size: int) -> None:
            shapes = shapes_of(_config(path, metadata)).values()
            most = 4 * sum(math.prod(shape) for shape in shapes)  # in fp32, the widest there is
            if size > most:
                raise _misfit(path, f"it takes {most} bytes at most, and they have {size}")

        content = read_tensor_file(path, admit)
        return cls(content.tensors, _config(path, content.metadata), content.sha256)

    def check_fit(self, path: Path) -> None:
        """Compare names and shapes with the network's.

        Raises:
            ModelError: They differ, with the first that does.
        """
        wanted = shapes_of(self.config)
        for name in sorted(wanted.keys() | self.tensors.keys()):
            if name not in wanted:
                why = f"{shown(name)} is unknown"
            elif name not in self.tensors:
                why = f"{name} is missing"
            elif (shape := tuple(self.tensors[name].shape)) != wanted[name]:
                why = f"{name} has the shape {shape} instead of {wanted[name]}"
            else:
                continue
            raise _misfit(path, why)

    def card(self, path: Path) -> Card:
        """A card for weights that lie somewhere without one: only what the file itself tells."""
        return Card(
            name=path.stem,
            task=_task(self.config),
            scale=self.config.scale,
            file=path.name,
            sha256=self.sha256,
            licence="unknown",
            description="Weights without a card.",
            config=self.config,
            margin=64,
        )


@lru_cache(maxsize=4)
def shapes_of(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's parameters.

    The blocks of an S-block are alike: one of each is laid out, so that a configuration from
    elsewhere cannot make us build hundreds.
    """
    if config.topology in SNAPSHOT_TOPOLOGIES:
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


def _misfit(path: Path, why: str) -> ModelError:
    return ModelError(
        f"the weights {path} do not fit the network they name: {why}",
        hint="fetch or reinstall them",
    )


def _task(config: ModelConfig) -> Task:
    """What a network is for, as far as its sizes tell."""
    if config.channels != 3:
        return "reconstruct" if config.topology in SNAPSHOT_TOPOLOGIES else "denoise"
    return "deblur" if config.scale == 1 else "upscale"


def _config(path: Path, metadata: dict[str, str]) -> ModelConfig:
    if "serpent" not in metadata:
        raise ModelError(
            f"{path} holds no Serpent configuration",
            hint="only weights written by `serpent train` can be loaded",
        )
    try:
        record = read_json(metadata["serpent"])
        return ModelConfig.from_dict(cast("dict[str, Any]", record))
    except ValueError as error:
        raise corrupt(path, f"its configuration is no JSON: {shown(str(error))}") from error
    except ModelError as error:
        hint = error.hint or "fetch them again, or ask whoever made them"
        raise ModelError(f"{path}: {error.message}", hint=hint) from error
