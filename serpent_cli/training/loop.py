"""The training loop: crops → degradation → step → average, with a log and checkpoints."""

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from serpent_cli.degrade.pipeline import degrade
from serpent_cli.errors import SerpentError
from serpent_cli.model.unet import build_model
from serpent_cli.training.gradient import BatchGradient
from serpent_cli.training.initial import start_from
from serpent_cli.training.photos import CropSampler
from serpent_cli.training.recipe import OptimSection, Recipe
from serpent_cli.training.state import TrainingState


@dataclass(frozen=True)
class StepReport:
    """One line of the log: means since the line before.

    Attributes:
        step: Steps done.
        steps: Steps of the whole run.
        loss: Mean loss.
        lr: Learning rate of the last step.
        crops_per_second: Crops trained on per second.
        data_share: Share of the time spent on crops and degradations, 0 to 1.
        seconds: Seconds of training done, over all legs.
    """

    step: int
    steps: int
    loss: float
    lr: float
    crops_per_second: float
    data_share: float
    seconds: float


def learning_rate(optim: OptimSection, step: int) -> float:
    """Rate of step number `step` (from 0): linear warm-up, then a cosine down to `lr_end`."""
    if step < optim.warmup:
        return optim.lr * (step + 1) / optim.warmup
    progress = (step - optim.warmup) / max(1, optim.steps - optim.warmup)
    return optim.lr_end + (optim.lr - optim.lr_end) * (1 + math.cos(math.pi * progress)) / 2


def restoration_loss(output: Tensor, target: Tensor, charbonnier: float, fft: float) -> Tensor:
    """Charbonnier distance plus `fft` times the L1 distance of orthonormal spectra; a scalar."""
    difference = output - target
    loss = torch.sqrt(difference.square() + charbonnier**2).mean()
    if fft > 0:
        spectrum = torch.fft.rfft2(difference, norm="ortho")
        loss = loss + fft * torch.view_as_real(spectrum).abs().mean()
    return loss


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
        generator = torch.Generator().manual_seed(recipe.seed)
        side = recipe.data.crop + 2 * recipe.data.halo
        self.sampler = CropSampler(photos, side, generator)
        average = {name: p.detach().clone() for name, p in model.named_parameters()}
        optimizer = build_optimizer(model, recipe.optim)
        self.state = TrainingState(model, average, optimizer, generator, digest(recipe))
        workers = torch.get_num_threads() if device.type == "cpu" else 1
        self.gradient = BatchGradient(self.loss, list(model.parameters()), workers)
        self.checkpoint, self.log = out / "state.safetensors", out / "log.jsonl"
        out.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists():
            self.state.load(self.checkpoint)
        self._forget_later_lines()

    def run(self, on_report: Callable[[StepReport], None]) -> None:
        """Train to the recipe's last step, saving every few minutes and at the end.

        Raises:
            SerpentError: The loss is not finite.
        """
        with self.gradient.one_core_per_share():
            self._run(on_report)

    def _run(self, on_report: Callable[[StepReport], None]) -> None:
        log, state = self.recipe.log, self.state
        saved = mark = time.perf_counter()
        data_seconds, losses = 0.0, torch.zeros((), device=self.device)
        last = state.step
        while state.step < self.recipe.optim.steps:
            begun = time.perf_counter()
            degraded, target = self.batch()
            data_seconds += time.perf_counter() - begun
            losses += self.step(degraded, target)
            state.step += 1
            if state.step % log.every and state.step < self.recipe.optim.steps:
                continue
            now = time.perf_counter()
            state.seconds += now - mark
            self._report(losses, state.step - last, now - mark, data_seconds, on_report)
            mark, last, data_seconds, losses = now, state.step, 0.0, torch.zeros_like(losses)
            if now - saved > 60 * log.checkpoint_minutes:
                state.save(self.checkpoint)
                saved = now
        state.save(self.checkpoint)

    def batch(self) -> tuple[Tensor, Tensor]:
        """Degraded crops (B, 3, crop / s, crop / s) and the sharp ones (B, 3, crop, crop)."""
        data, scale = self.recipe.data, self.recipe.model.scale
        clean = self.sampler.draw(data.batch).to(self.device).float().div_(255)
        degraded = degrade(clean, self.recipe.degrade, self.state.generator)
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
        self._update_average()
        return value

    def loss(self, degraded: Tensor, target: Tensor) -> Tensor:
        """Mean loss of degraded crops against the sharp ones, by the network as it stands."""
        loss, half = self.recipe.loss, self.recipe.optim.precision == "bf16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=half):
            output = self.state.model(degraded)
        return restoration_loss(output.float(), target, loss.charbonnier, loss.fft)

    def _update_average(self) -> None:
        # A young average would remember the random start: its decay grows with the steps.
        decay = min(self.recipe.optim.ema, (1 + self.state.step) / (10 + self.state.step))
        with torch.no_grad():
            for name, parameter in self.state.model.named_parameters():
                self.state.average[name].lerp_(parameter, 1 - decay)

    def _forget_later_lines(self) -> None:
        """Drop what a killed leg logged after its last checkpoint: those steps are done again."""
        if not self.log.exists():
            return
        # A kill may leave half a line, always the last: it lies beyond the checkpoint too.
        lines = self.log.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [
            line
            for line in lines
            if line.endswith("\n") and json.loads(line)["step"] <= self.state.step
        ]
        if kept != lines:
            part = self.log.with_suffix(".part")
            part.write_text("".join(kept), encoding="utf-8")
            part.replace(self.log)

    def _report(
        self,
        losses: Tensor,
        steps: int,
        seconds: float,
        data_seconds: float,
        on_report: Callable[[StepReport], None],
    ) -> None:
        loss = float(losses) / steps
        if not math.isfinite(loss):
            raise SerpentError(
                f"the loss became {loss} before step {self.state.step}",
                hint="lower optim.lr, or train in fp32; the last checkpoint is kept",
            )
        report = StepReport(
            step=self.state.step,
            steps=self.recipe.optim.steps,
            loss=round(loss, 6),
            lr=learning_rate(self.recipe.optim, self.state.step - 1),
            crops_per_second=round(steps * self.recipe.data.batch / seconds, 2),
            data_share=round(data_seconds / seconds, 4),
            seconds=round(self.state.seconds, 1),
        )
        with self.log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(report)) + "\n")
        on_report(report)


def build_optimizer(model: nn.Module, optim: OptimSection) -> torch.optim.Optimizer:
    """AdamW; only matrices and kernels decay, never biases, norms or the scan's dynamics."""
    matrices = [p for name, p in model.named_parameters() if p.ndim >= 2 and ".scan." not in name]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    groups = [
        {"params": matrices, "weight_decay": optim.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=optim.lr, betas=optim.betas, fused=True)


def digest(recipe: Recipe) -> str:
    """A short name for everything in the recipe that decides the result."""
    facts = asdict(recipe)
    for words in ("log", "description", "limits"):
        facts.pop(words)
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _cut(x: Tensor, border: int) -> Tensor:
    h, w = x.shape[-2:]
    return x[..., border : h - border, border : w - border].contiguous()
