"""Networks that differ in one choice, trained on the same photographs for the same time.

python -m bench ablation --photos DIR --minutes 6

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
from serpent_cli.degrade.config import DegradeConfig
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
)
from serpent_cli.training.report import StepReport

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
PROBE = 20  # steps that are timed, after as many to warm up


def rows(folder: Path, minutes: float, device: torch.device) -> list[Row]:
    """For each variant the gain on held-out crops, its cost, and the steps it had time for."""
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
    variants = {
        name: replace(recipe, model=replace(BASE, **changes)) for name, changes in VARIANTS.items()
    }
    speeds = {name: time_variant(each, photos, device) for name, each in variants.items()}
    found: list[Row] = []
    for name, variant in variants.items():
        step, picture = speeds[name]
        report = train(variant, photos, max(PROBE, round(60 * minutes / step)), device)[1]
        assert report.val_psnr is not None
        done = [
            Row(f"{name}: gain", report.val_psnr, "dB"),
            Row(f"{name}: cost", flops(variant.model, 512, 512) / 1e9, "GMAC"),
            Row(f"{name}: 512²", 4 * picture, "s/MP"),
            Row(f"{name}: trained", report.step, "steps"),
        ]
        print(table(done), file=sys.stderr, flush=True)  # the others take long
        found += done
    return found


def time_variant(recipe: Recipe, photos: list[Tensor], device: torch.device) -> tuple[float, float]:
    """Seconds of a training step, without a run's start and end, and of a 512 x 512 picture."""
    often = replace(recipe, log=replace(recipe.log, every=PROBE))
    trainer, _, clocks = train(often, photos, 2 * PROBE + 1, device)
    return (clocks[1] - clocks[0]) / PROBE, seconds(trainer, device)


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
        trainer.run(on_report)
    return trainer, reports[-1], clocks


@torch.inference_mode()
def seconds(trainer: Trainer, device: torch.device) -> float:
    """Seconds of the network alone on a quarter of a megapixel."""
    model, x = trainer.state.model.eval(), torch.rand(1, 3, 512, 512, device=device)
    return median(lambda: model(x), device, 3)
