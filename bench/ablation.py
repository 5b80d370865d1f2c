"""Networks that differ in one choice, trained on the same photographs for the same time.

python -m bench ablation --photos DIR --minutes 6

With --mixers, all token mixers against each other, on the degradations of recipes/deblur-6.toml:
`time` gives each the same widths, `gmac` widths that make all networks cost as much as the first.

First all are timed, which wants an otherwise idle machine; then each is trained for the steps that
fit the time, and it no longer matters what else runs.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.timing import Row, median, table
from serpent_cli.degrade.ranges import DegradeConfig
from serpent_cli.errors import SerpentError
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.limits import flops
from serpent_cli.training.loop import Trainer
from serpent_cli.training.photos import load_photos
from serpent_cli.training.recipe import (
    DataSection,
    LogSection,
    OptimSection,
    Recipe,
    ValidationSection,
    read_recipe,
)
from serpent_cli.training.run_log import StepReport

BASE = ModelConfig(widths=(32, 64, 96, 128))
VARIANTS: dict[str, dict[str, Any]] = {
    "ss2d, N 1, gated (as bundled)": {},
    "ss2d v0: N 16, gated": {"state_size": 16},
    "ss2d v05: N 1, feed-forward, no gate": {"gate": False, "feed_forward": 2.0},
    "ss2d, N 1, gated, feed-forward": {"feed_forward": 2.0},
    "spatial": {"mixer": "spatial"},
    "patch 4, widths doubled": {"patch_size": 4, "widths": (64, 128, 192, 256)},
    "skips concatenated": {"join": "concat"},
    "no image residual": {"residual": "none"},
}
# As each one's paper has it, in our network: with a feed-forward where there is one.
MIXERS: dict[str, dict[str, Any]] = {
    "ss2d v0": {"state_size": 16},
    "ss2d v05": {"gate": False, "feed_forward": 4.0},
    "spatial": {"mixer": "spatial", "feed_forward": 4.0},
    "plain": {"mixer": "plain", "state_size": 16},
    "v2m": {"mixer": "v2m", "state_size": 16},
    "mhs": {"mixer": "mhs", "state_size": 16, "expand": 1.0},
    "evssm": {
        "mixer": "evssm", "state_size": 8, "feed_forward": 3.0, "feed_forward_kind": "frequency",
    },
}  # fmt: skip
RECIPE = Path(__file__).resolve().parent.parent / "recipes" / "deblur-6.toml"
STEP = 4  # widths are multiples of it: what the heads of mhs divide
MOST_PROBED, LEAST_PROBED = 20, 3  # steps that are timed, after as many to warm up


def rows(
    folder: Path, minutes: float, device: torch.device, mixers: str | None = None
) -> list[Row]:
    """For each variant the gain on held-out crops, its cost, and the steps it had time for.

    Args:
        folder: Photographs.
        minutes: Of training, for each.
        device: Where it runs.
        mixers: `time` or `gmac` compares the mixers; None the choices of `VARIANTS`.
    """
    recipe = Recipe(
        name="ablation",
        description="One choice among many.",
        degrade=DegradeConfig.from_dict(
            {"kinds": {"gaussian": 1.0}, "sigma": [1.0, 2.4], "noise": [0.0, 2.0]}
        ),
        model=BASE,
        data=DataSection(crop=96, halo=16, batch=16),
        validation=ValidationSection(every=10**9, photos=24, crop=256),
        log=LogSection(every=10_000, checkpoint_minutes=1e9),
    )
    side = recipe.validation.crop + 2 * recipe.data.halo
    photos = load_photos(folder, side)
    if mixers:
        recipe = replace(recipe, degrade=read_recipe(RECIPE).degrade)
    variants = {name: replace(recipe, model=model) for name, model in models(mixers).items()}
    probe = max(LEAST_PROBED, min(MOST_PROBED, round(MOST_PROBED * minutes)))
    speeds = {name: time_variant(each, photos, probe, device) for name, each in variants.items()}
    found: list[Row] = []
    for name, variant in variants.items():
        step, picture = speeds[name]
        report = train(variant, photos, max(probe, round(60 * minutes / step)), device)[1]
        assert report.val_psnr is not None
        done = [
            Row(f"{name}: gain", report.val_psnr, "dB"),
            Row(f"{name}: cost", flops(variant.model, 512, 512) / 1e9, "GMAC"),
            Row(f"{name}: 512²", 4 * picture, "s/MP"),
            Row(f"{name}: trained", report.step, "steps"),
            Row(f"{name}: finest width", variant.model.widths[0], "channels"),
        ]
        print(table(done), file=sys.stderr, flush=True)  # the others take long
        found += done
    return found


def models(mixers: str | None) -> dict[str, ModelConfig]:
    """The networks that are compared, by name."""
    changes = MIXERS if mixers else VARIANTS
    found = {name: replace(BASE, **change) for name, change in changes.items()}
    if mixers != "gmac":
        return found
    target = flops(found["ss2d v0"], 512, 512)
    return {name: of_cost(model, target) for name, model in found.items()}


def of_cost(model: ModelConfig, target: float) -> ModelConfig:
    """The network with widths in proportion whose operations come closest to `target`."""
    scaled: list[ModelConfig] = []
    for percent in range(25, 400):
        share = percent / 100 / STEP
        widths = tuple(STEP * max(1, round(width * share)) for width in model.widths)
        scaled.append(replace(model, widths=widths))
    return min(scaled, key=lambda each: abs(flops(each, 512, 512) - target))


def time_variant(
    recipe: Recipe, photos: list[Tensor], probe: int, device: torch.device
) -> tuple[float, float]:
    """Seconds of a training step, without a run's start and end, and of a 512 x 512 picture."""
    often = replace(recipe, log=replace(recipe.log, every=probe))
    trainer, _, clocks = train(often, photos, 2 * probe + 1, device)
    return (clocks[1] - clocks[0]) / probe, seconds(trainer, device)


def train(
    recipe: Recipe, photos: list[Tensor], steps: int, device: torch.device
) -> tuple[Trainer, StepReport, list[float]]:
    """A run of so many steps; it, its last line, and the clock at each line."""
    optim = OptimSection(steps=steps, warmup=min(200, steps // 10 + 1), ema=0.995)
    reports: list[StepReport] = []
    clocks: list[float] = []

    def on_report(report: StepReport) -> None:
        reports.append(report)
        clocks.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as out:
        trainer = Trainer(replace(recipe, optim=optim), photos, Path(out), device)
        try:
            trainer.run(on_report)
        except SerpentError as error:
            what = f"{recipe.model.mixer}, widths {recipe.model.widths}"
            raise SerpentError(f"{what}: {error.message}", hint=error.hint) from error
    return trainer, reports[-1], clocks


@torch.inference_mode()
def seconds(trainer: Trainer, device: torch.device) -> float:
    """Seconds of the network alone on a quarter of a megapixel."""
    model, x = trainer.state.model.eval(), torch.rand(1, 3, 512, 512, device=device)
    return median(lambda: model(x), device, 3)
