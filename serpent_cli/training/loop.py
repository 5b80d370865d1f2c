"""The training loop: crops → degradation → step → average, with a log and checkpoints."""

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from serpent_cli.degrade.pipeline import degrade
from serpent_cli.errors import SerpentError
from serpent_cli.model.unet import build_model
from serpent_cli.ops.clock import scan_clock
from serpent_cli.restore.device import choose_precision
from serpent_cli.training.crops import CropSampler, place
from serpent_cli.training.gradient import BatchGradient
from serpent_cli.training.initial import start_from
from serpent_cli.training.loss import restoration_loss
from serpent_cli.training.optimizer import build_optimizer, follow, learning_rate
from serpent_cli.training.recipe import Recipe
from serpent_cli.training.report import Means, Meter, RunLog, StepReport
from serpent_cli.training.state import TrainingState


class Trainer:
    """One run of a recipe, from step 0 or from where its checkpoint stands.

    Args:
        recipe: What to train, and how.
        photos: uint8 tensors (H, W, 3).
        out: Folder of the run: `state.safetensors`, `log.jsonl`.
        device: Where the network and the degradations run.
        init: Weights by parameter name to start from, instead of fresh ones; see `start_from`.
    """

    def __init__(
        self,
        recipe: Recipe,
        photos: list[Tensor],
        out: Path,
        device: torch.device,
        init: dict[str, Tensor] | None = None,
    ) -> None:
        self.recipe, self.out, self.device = recipe, out, device
        torch.manual_seed(recipe.seed)
        model = build_model(recipe.model)
        if init is not None:
            start_from(model, init)
        model.to(device).train()
        self.state = _begin(recipe, model, device)
        side = recipe.data.crop + 2 * recipe.data.halo
        self.sampler = CropSampler(place(photos, device), side, self.state.generator, device)
        workers = torch.get_num_threads() if device.type == "cpu" else 1
        workers = min(workers, recipe.data.batch)
        self.gradient = BatchGradient(self.loss, list(model.parameters()), workers)
        self.precision = choose_precision(recipe.optim.precision, device)
        self.checkpoint, self.log = out / "state.safetensors", RunLog(out / "log.jsonl")
        out.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists():
            self.state.load(self.checkpoint)
        self.log.forget_after(self.state.step)

    def run(self, on_report: Callable[[StepReport], None]) -> None:
        """Train to the recipe's last step, saving every few minutes and at the end.

        Raises:
            SerpentError: The loss is not finite.
        """
        with self.gradient.one_core_per_share(), scan_clock() as scan:
            self._run(Meter(self.device, scan, self.gradient.workers), on_report)

    def _run(self, meter: Meter, on_report: Callable[[StepReport], None]) -> None:
        log, state, steps = self.recipe.log, self.state, self.recipe.optim.steps
        saved = time.perf_counter()
        while state.step < steps:
            with meter.data.running(self.device):
                degraded, target = self.batch()
            meter.add(self.step(degraded, target))
            state.step += 1
            if state.step % log.every and state.step < steps:
                continue
            on_report(self._report(meter.read()))
            meter.restart()
            if time.perf_counter() - saved > 60 * log.checkpoint_minutes:
                state.save(self.checkpoint)
                saved = time.perf_counter()
        state.save(self.checkpoint)

    def batch(self) -> tuple[Tensor, Tensor]:
        """Degraded crops (B, 3, crop / s, crop / s) and the sharp ones (B, 3, crop, crop)."""
        data, scale = self.recipe.data, self.recipe.model.scale
        clean = self.sampler.draw(data.batch).float().div_(255)
        degraded = degrade(clean, self.recipe.degrade, self.state.generator, self.state.field)
        return _cut(degraded, data.halo // scale), _cut(clean, data.halo)

    def step(self, degraded: Tensor, target: Tensor) -> Tensor:
        """One optimizer step; the loss, detached."""
        optim, state = self.recipe.optim, self.state
        lr = learning_rate(optim, state.step)
        for group in state.optimizer.param_groups:
            group["lr"] = lr
        value = self.gradient(degraded, target)
        nn.utils.clip_grad_norm_(state.model.parameters(), optim.clip)
        state.optimizer.step()
        follow(state.average, state.model, optim.ema, state.step)
        return value

    def loss(self, degraded: Tensor, target: Tensor) -> Tensor:
        """Mean loss of degraded crops against the sharp ones, by the network as it stands."""
        loss, half = self.recipe.loss, self.precision == torch.bfloat16
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=half):
            output = self.state.model(degraded)
        return restoration_loss(output.float(), target, loss.charbonnier, loss.fft)

    def _report(self, means: Means) -> StepReport:
        """Check the loss and write the line."""
        if not math.isfinite(means.loss):
            raise SerpentError(
                f"the loss became {means.loss} before step {self.state.step}",
                hint="lower optim.lr, or train in fp32; the last checkpoint is kept",
            )
        self.state.seconds += means.seconds
        report = StepReport(
            step=self.state.step,
            steps=self.recipe.optim.steps,
            loss=round(means.loss, 6),
            lr=learning_rate(self.recipe.optim, self.state.step - 1),
            crops_per_second=round(means.steps * self.recipe.data.batch / means.seconds, 2),
            data_share=round(means.data_share, 4),
            scan_share=round(means.scan_share, 4),
            seconds=round(self.state.seconds, 1),
        )
        self.log.add(report)
        return report


def _begin(recipe: Recipe, model: nn.Module, device: torch.device) -> TrainingState:
    """The state before the first step."""
    generator = torch.Generator().manual_seed(recipe.seed)
    # A GPU draws noise itself; on the CPU one stream serves all.
    field = generator
    if device.type == "cuda":
        field = torch.Generator(device).manual_seed(recipe.seed)
    average = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = build_optimizer(model, recipe.optim)
    return TrainingState(model, average, optimizer, generator, field, digest(recipe))


def digest(recipe: Recipe) -> str:
    """A short name for everything in the recipe that decides the result."""
    facts = asdict(recipe)
    for words in ("log", "description", "limits"):
        facts.pop(words)
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _cut(x: Tensor, border: int) -> Tensor:
    h, w = x.shape[-2:]
    return x[..., border : h - border, border : w - border].contiguous()
