"""A training of 500 steps in bf16 against the same in fp32: the same crops, the same first weights.

Compared is the mean loss of the last fifth. The network and the crops are small: it takes minutes.
"""

import dataclasses
import tempfile
from pathlib import Path

import torch

from bench.timing import Row
from bench.train import CPU, RECIPE, photographs
from serpent_cli.model.config import ModelConfig
from serpent_cli.training.loop import Trainer
from serpent_cli.training.recipe import Recipe, read_recipe

STEPS, LAST, BAR = 500, 100, 1.02


def last_losses(recipe: Recipe, precision: str) -> float:
    """Mean loss of the last steps of a run."""
    optim = dataclasses.replace(recipe.optim, precision=precision)
    with tempfile.TemporaryDirectory() as folder:
        recipe = dataclasses.replace(recipe, optim=optim)
        trainer = Trainer(recipe, photographs(), Path(folder), CPU)
        losses: list[float] = []
        with trainer.gradient.one_core_per_share():
            for step in range(STEPS):
                losses.append(float(trainer.step(*trainer.batch())))
                trainer.state.step = step + 1
    return sum(losses[-LAST:]) / LAST


def rows() -> list[Row]:
    """The loss in bf16 over that in fp32."""
    recipe = read_recipe(RECIPE)
    recipe = dataclasses.replace(
        recipe,
        model=ModelConfig(widths=(16, 24, 32, 32)),
        data=dataclasses.replace(recipe.data, crop=48, batch=4),
        optim=dataclasses.replace(recipe.optim, steps=STEPS, warmup=25),
        validation=dataclasses.replace(recipe.validation, every=0),
    )
    torch.manual_seed(0)
    full, half = (last_losses(recipe, precision) for precision in ("fp32", "bf16"))
    name = f"loss of steps {STEPS - LAST + 1} to {STEPS}, bf16 over fp32"
    return [Row(name, half, "loss", full, BAR)]
