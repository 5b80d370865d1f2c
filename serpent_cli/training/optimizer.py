"""How the weights move: AdamW, its learning rate, and the average that follows them."""

import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from serpent_cli.training.recipe import OptimSection


def learning_rate(optim: OptimSection, step: int) -> float:
    """Rate of step number `step` (from 0): linear warm-up, then a cosine down to `lr_end`."""
    if step < optim.warmup:
        return optim.lr * (step + 1) / optim.warmup
    progress = (step - optim.warmup) / max(1, optim.steps - optim.warmup)
    return optim.lr_end + (optim.lr - optim.lr_end) * (1 + math.cos(math.pi * progress)) / 2


def build_optimizer(model: nn.Module, optim: OptimSection) -> torch.optim.Optimizer:
    """AdamW; only matrices and kernels decay, never biases, norms or the scan's dynamics."""
    matrices = [p for name, p in model.named_parameters() if p.ndim >= 2 and ".scan" not in name]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    groups = [
        {"params": matrices, "weight_decay": optim.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=optim.lr, betas=optim.betas, fused=True)


def follow(average: dict[str, Tensor], model: nn.Module, decay: float, step: int) -> None:
    """Move the averaged parameters towards the model's after step number `step` (from 0)."""
    # A young average would remember the random start: its decay grows with the steps.
    update = get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))
    names, parameters = zip(*model.named_parameters(), strict=True)
    update([average[name] for name in names], list(parameters), step)
