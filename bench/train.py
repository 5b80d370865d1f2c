"""A training step on a CPU: crops per second, and where its time goes, in fp32 and bf16.

The network and the degradations are those of a recipe of the bundled weights, with small crops; the
photographs are random, as only their size matters. Every core has crops of its own, so that the
shares are those of one core. Times are of the fastest step.
"""

import dataclasses
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from bench.shares import seconds_by_kind, share_rows
from bench.timing import Row, fastest
from serpent_cli.training.loop import Trainer
from serpent_cli.training.recipe import Recipe, read_recipe

RECIPE = Path(__file__).resolve().parent.parent / "recipes" / "deblur-even-6.toml"
CPU = torch.device("cpu")
CROP, BATCH = 128, 4


def photographs() -> list[Tensor]:
    """Smooth random pictures, uint8 (H, W, 3)."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(4, 3, 40, 50, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, scale_factor=8, mode="bicubic").clamp(0, 1)
    return list((fine * 255).byte().permute(0, 2, 3, 1).contiguous())


def measured(recipe: Recipe, precision: str) -> list[Row]:
    """Crops per second of one precision, and the shares of its step."""
    optim = dataclasses.replace(recipe.optim, precision=precision, steps=10**6)
    recipe = dataclasses.replace(
        recipe, optim=optim, validation=dataclasses.replace(recipe.validation, every=0),
        data=dataclasses.replace(recipe.data, crop=CROP, batch=BATCH),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(recipe, photographs(), Path(folder), CPU)
        with trainer.gradient.one_core_per_share():
            degraded, target = trainer.batch()
            data = fastest(trainer.batch, 3)
            step = fastest(lambda: trainer.step(degraded, target), 5)
            share = -(-len(target) // trainer.gradient.workers)
            parameters = list(trainer.state.model.parameters())

            def one_share() -> None:
                loss = trainer.loss(degraded[:share], target[:share])
                torch.autograd.grad(loss, parameters)

            found = seconds_by_kind(one_share)
            gradient = fastest(lambda: trainer.gradient(degraded, target), 5)
    found["other"] += max(0.0, step - gradient)  # the optimizer and the average
    found["data"] = data
    name = f"{precision}, {recipe.data.batch} crops of {recipe.data.crop}²"
    rate = Row(name, recipe.data.batch / (step + data), "crops/s")
    return [rate, *share_rows(precision, found)]


def rows() -> list[Row]:
    """Both precisions."""
    recipe = read_recipe(RECIPE)
    return [row for precision in ("fp32", "bf16") for row in measured(recipe, precision)]
