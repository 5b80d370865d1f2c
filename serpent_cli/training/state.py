"""`TrainingState`: all that a killed run needs to go on bit by bit, as one safetensors file."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from serpent_cli.errors import UsageError
from serpent_cli.whole_files import new_file

SLOTS = ("exp_avg", "exp_avg_sq", "step", "momentum_buffer")
"""What AdamW (the first three) or Muon (the last) keeps of a parameter."""

RIVAL = "rival."
"""What the names of the discriminator's tensors begin with."""


@dataclass(frozen=True)
class Moving:
    """A network and what moves it.

    Attributes:
        model: Its parameters and buffers are part of a state.
        optimizers: Over its parameters, each of them in one.
    """

    model: nn.Module
    optimizers: tuple[torch.optim.Optimizer, ...]


@dataclass
class TrainingState:
    """The moving parts of a run.

    Attributes:
        model: The network in training.
        average: Exponential moving average of its parameters, by name.
        optimizers: Over the parameters of `model`, each of them in one.
        generator: Randomness of crops and degradations, on the CPU.
        field: Randomness of every pixel's noise, on the device; `generator` itself on the CPU.
        step: Optimizer steps done.
        seconds: Seconds of training done, over all legs.
        recipe: Digest of the recipe; a state goes on only with the recipe that began it.
        rival: The discriminator, if the recipe has one.
    """

    model: nn.Module
    average: dict[str, Tensor]
    optimizers: tuple[torch.optim.Optimizer, ...]
    generator: torch.Generator
    field: torch.Generator
    recipe: str
    step: int = 0
    seconds: float = 0.0
    rival: Moving | None = None

    def save(self, path: Path) -> None:
        """Write the state whole or not at all, whenever a kill may come."""
        tensors: dict[str, Tensor] = {"generator": self.generator.get_state()}
        if self.field is not self.generator:
            tensors["field"] = self.field.get_state()
        tensors |= _saved(self.model, self.optimizers)
        for name, value in self.average.items():
            tensors[f"average.{name}"] = value.cpu().contiguous()
        if self.rival is not None:
            saved = _saved(self.rival.model, self.rival.optimizers)
            tensors |= {f"{RIVAL}{name}": value for name, value in saved.items()}
            for name, value in self.rival.model.named_buffers():
                tensors[f"{RIVAL}buffer.{name}"] = value.cpu().contiguous()
        facts = {"step": self.step, "seconds": self.seconds, "recipe": self.recipe}
        with new_file(path, force=True) as stream:
            stream.write(save(tensors, {"state": json.dumps(facts)}))

    def load(self, path: Path) -> None:
        """Go on from a saved state.

        Raises:
            UsageError: The file is not a training state, or another recipe's.
        """
        try:
            with safe_open(path, framework="pt") as file:
                facts = json.loads((file.metadata() or {})["state"])
                tensors: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise UsageError(
                f"{path} is not a training state", hint="train with another --out to start anew"
            ) from error
        if facts["recipe"] != self.recipe:
            raise UsageError(
                f"{path} was begun with another recipe",
                hint="train with another --out, or with --init to start from its weights",
            )
        self._restore(tensors)
        self.step, self.seconds = int(facts["step"]), float(facts["seconds"])

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        self.generator.set_state(tensors["generator"])
        # A run may go on elsewhere than it began: then the noise begins a stream of its own.
        if self.field is not self.generator and "field" in tensors:
            self.field.set_state(tensors["field"])
        _load(self.model, self.optimizers, tensors)
        for name, value in self.average.items():
            value.copy_(tensors[f"average.{name}"])
        if self.rival is not None:
            own = {
                name.removeprefix(RIVAL): value
                for name, value in tensors.items()
                if name.startswith(RIVAL)
            }
            _load(self.rival.model, self.rival.optimizers, own)
            for name, value in self.rival.model.named_buffers():
                value.copy_(own[f"buffer.{name}"])


def _saved(model: nn.Module, optimizers: tuple[torch.optim.Optimizer, ...]) -> dict[str, Tensor]:
    """Parameters as `model.NAME`, and what its optimizer keeps of each."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        tensors[f"model.{name}"] = parameter.detach().cpu().contiguous()
        for optimizer in optimizers:
            for slot, value in optimizer.state.get(parameter, {}).items():
                tensors[f"{slot}.{name}"] = torch.as_tensor(value).cpu().contiguous()
    return tensors


@torch.no_grad()
def _load(
    model: nn.Module, optimizers: tuple[torch.optim.Optimizer, ...], tensors: dict[str, Tensor]
) -> None:
    moved_by = {
        id(parameter): optimizer
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    for name, parameter in model.named_parameters():
        parameter.copy_(tensors[f"model.{name}"])
        saved = {slot: tensors[f"{slot}.{name}"] for slot in SLOTS if f"{slot}.{name}" in tensors}
        if saved:
            # The count of steps too: the fused optimizer reads it on the parameter's device.
            moved_by[id(parameter)].state[parameter] = {
                slot: value.to(parameter.device) for slot, value in saved.items()
            }
