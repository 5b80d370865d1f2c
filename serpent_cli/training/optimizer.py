"""How the weights move: AdamW or Muon, their learning rate, and the average that follows."""

import math
from collections import deque
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from serpent_cli.training.gradient import Map
from serpent_cli.training.recipe import OptimSection


def learning_rate(optim: OptimSection, step: int) -> float:
    """Rate of step number `step` (from 0): linear warm-up, then a cosine down to `lr_end`."""
    if step < optim.warmup:
        return optim.lr * (step + 1) / optim.warmup
    progress = (step - optim.warmup) / max(1, optim.steps - optim.warmup)
    return optim.lr_end + (optim.lr - optim.lr_end) * (1 + math.cos(math.pi * progress)) / 2


def build_optimizers(model: nn.Module, optim: OptimSection) -> tuple[torch.optim.Optimizer, ...]:
    """What moves the parameters, each of them once.

    Only matrices and kernels decay, never biases, norms or the scan's dynamics. Muon moves plain
    matrices alone; its steps are scaled to AdamW's usual size, so that one rate serves both. Each
    matrix has a Muon of its own, so that cores can share them.
    """
    orthogonal: list[nn.Parameter] = []
    decaying: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2 or ".scan" in name:
            others.append(parameter)
        elif optim.muon and parameter.ndim == 2:
            orthogonal.append(parameter)
        else:
            decaying.append(parameter)
    groups = [
        {"params": decaying, "weight_decay": optim.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=optim.lr, betas=optim.betas, fused=True)
    muons = [
        torch.optim.Muon(
            [matrix],
            lr=optim.lr,
            weight_decay=optim.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        )
        for matrix in orthogonal
    ]
    return (adamw, *muons)


def move(optimizers: Iterable[torch.optim.Optimizer], lr: float, in_turn: Map = map) -> None:
    """One step of each, at one rate.

    Args:
        optimizers: Over parameters that none of them shares with another.
        lr: The rate.
        in_turn: Calls a function with each of them; a thread pool's does so on many cores.
    """

    def step(optimizer: torch.optim.Optimizer) -> None:
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()

    deque(in_turn(step, optimizers), maxlen=0)


def follow(average: dict[str, Tensor], model: nn.Module, decay: float, step: int) -> None:
    """Move the averaged parameters towards the model's after step number `step` (from 0)."""
    # A young average would remember the random start: its decay grows with the steps.
    update = get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))
    names, parameters = zip(*model.named_parameters(), strict=True)
    update([average[name] for name in names], list(parameters), step)
