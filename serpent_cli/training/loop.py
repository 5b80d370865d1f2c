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
from torch.func import functional_call

from serpent_cli.degrade.draws import generator_for
from serpent_cli.degrade.pipeline import Layers
from serpent_cli.errors import SerpentError, UsageError
from serpent_cli.model.unet import build_model
from serpent_cli.ops.clock import scan_clock
from serpent_cli.restoration.device import choose_precision
from serpent_cli.training.crops import CropSampler, degraded_pair, place
from serpent_cli.training.gradient import BatchGradient
from serpent_cli.training.initial import start_from
from serpent_cli.training.loss import restoration_loss
from serpent_cli.training.loss_curve import draw_curves
from serpent_cli.training.optimizer import build_optimizers, follow, learning_rate, move
from serpent_cli.training.processes import ALONE, Processes
from serpent_cli.training.recipe import Recipe
from serpent_cli.training.recompute import recompute_blocks
from serpent_cli.training.run_log import Means, Meter, RunLog, StepReport
from serpent_cli.training.state import Moving, TrainingState
from serpent_cli.training.teacher import begin_teacher, nearer
from serpent_cli.training.texture import begin_texture
from serpent_cli.training.validation import Validation, hold_out

LATER = (
    ("loss", "decibel"),
    ("loss", "perceptual"),
    ("loss", "adversarial"),
    ("loss", "low_frequency"),
    ("loss", "teacher"),
    ("data", "lettering_share"),
    ("optim", "start_share"),
    ("optim", "muon"),
)
"""Entries that came later: where they are 0 or false, a recipe is what it was; its runs go on."""


class Trainer:
    """One run of a recipe, from step 0 or from where its checkpoint stands.

    Args:
        recipe: What to train, and how.
        photos: uint8 tensors (H, W, 3).
        out: Folder of the run: `state.safetensors`, `log.jsonl`, `progress.png`.
        device: Where the network and the degradations run.
        init: Weights by parameter name to start from, instead of fresh ones; see `start_from`. A
            recipe with `optim.start_share` needs them, also when a run goes on.
        held_out: Photographs to validate on; some of `photos` if absent and the recipe validates.
        processes: The processes that share the run.

    Raises:
        UsageError: The checkpoint, the photographs or the processes do not suit the recipe.
    """

    def __init__(
        self,
        recipe: Recipe,
        photos: list[Tensor],
        out: Path,
        device: torch.device,
        init: dict[str, Tensor] | None = None,
        *,
        held_out: list[Tensor] | None = None,
        processes: Processes = ALONE,
    ) -> None:
        if recipe.optim.start_share and init is None:
            raise UsageError(
                "optim.start_share needs the weights that the run began with",
                hint="name them with --init, also when the run goes on",
            )
        self.recipe, self.out, self.device, self.processes = recipe, out, device, processes
        self.precision = choose_precision(recipe.optim.precision, device)
        torch.manual_seed(recipe.seed)
        self.state = _begin(recipe, init, device)
        self.start = (
            {name: tensor.clone() for name, tensor in self.state.average.items()}
            if recipe.optim.start_share
            else {}
        )
        self.crops = processes.part_of(recipe.data.batch)
        workers = min(torch.get_num_threads() if device.type == "cpu" else 1, self.crops)
        parameters = list(self.state.model.parameters())
        self.gradient = BatchGradient(self.loss, parameters, workers, recipe.optim.accumulate)
        half = self.precision == torch.bfloat16
        self.texture = begin_texture(
            recipe.loss, recipe.optim, recipe.model.scale, device, workers, self.output, half=half
        )
        if self.texture is not None and self.texture.rival is not None:
            rival = self.texture.rival
            self.state.rival = Moving(rival.model, rival.optimizers)
        teacher = recipe.loss.teacher
        self.teacher = begin_teacher(teacher, device, half=half) if teacher else None
        photos, self.validation = _validation(recipe, photos, held_out, device)
        side = recipe.data.crop + 2 * recipe.data.halo
        self.sampler = CropSampler(place(photos, device), side, self.state.generator, device)
        self.checkpoint, self.log = out / "state.safetensors", RunLog(out / "log.jsonl")
        self._resume()

    def _resume(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists():
            self.state.load(self.checkpoint)
        if self.processes.rank == 0:
            self.log.forget_after(self.state.step)
        else:  # the checkpoint holds the first process's random stream: others begin their own
            words = f"{self.recipe.seed} {self.processes.rank} {self.state.step}"
            for generator in (self.state.generator, self.state.field):
                generator.manual_seed(generator_for(words).initial_seed())

    def run(self, on_report: Callable[[StepReport], None], minutes: float | None = None) -> None:
        """Train to the recipe's last step, saving every few minutes and at the end.

        Args:
            on_report: Called with every line of the log, in the first process.
            minutes: Stop at the first line of the log after so many; None: at the last step.

        Raises:
            SerpentError: The loss is not finite.
        """
        with self.gradient.one_core_per_share(), scan_clock() as scan:
            end = math.inf if minutes is None else time.perf_counter() + 60 * minutes
            self._run(Meter(self.device, scan, self.gradient.workers), on_report, end)

    def _run(self, meter: Meter, on_report: Callable[[StepReport], None], end: float) -> None:
        recipe, state = self.recipe, self.state
        saved = time.perf_counter()
        while state.step < recipe.optim.steps:
            with meter.data.running(self.device):
                degraded, target = self.batch()
            meter.add(self.step(degraded, target))
            state.step += 1
            last = state.step == recipe.optim.steps
            measured = last or _due(state.step, recipe.validation.every)
            if not measured and not _due(state.step, recipe.log.every):
                continue
            report = self._report(meter.read(), measured)
            if self.processes.rank == 0:
                self.log.add(report)
                on_report(report)
            meter.restart()
            if time.perf_counter() > end:
                break
            if time.perf_counter() - saved > 60 * recipe.log.checkpoint_minutes:
                self._save()
                saved = time.perf_counter()
        self._save()

    def _save(self) -> None:
        if self.processes.rank == 0:
            self.state.save(self.checkpoint)
            draw_curves(self.log.path, self.out / "progress.png")

    def weights(self) -> dict[str, Tensor]:
        """What users get: the averaged weights, with the recipe's share of those of the start."""
        share, average = self.recipe.optim.start_share, self.state.average
        if not share:
            return average
        return {name: tensor.lerp(self.start[name], share) for name, tensor in average.items()}

    def batch(self) -> tuple[Tensor, Tensor]:
        """Degraded crops (B, 3, crop / s, crop / s) and the sharp ones (B, 3, crop, crop).

        With a teacher its pictures follow the sharp ones: (B, 6, crop, crop).
        """
        crops, layers = self.sampler.draw(self.crops), list[Layers]()
        degraded, truth = degraded_pair(
            crops, self.recipe, self.state.generator, self.state.field, layers
        )
        if self.teacher is None:
            return degraded, truth
        taught = self.teacher.pictures(truth, layers, self.gradient.map)
        return degraded, torch.cat((truth, taught), 1)

    def step(self, degraded: Tensor, target: Tensor) -> Tensor:
        """One optimizer step; the loss, detached."""
        optim, state = self.recipe.optim, self.state
        lr = learning_rate(optim, state.step)
        value = self.gradient(degraded, target)
        gradients = [p.grad for p in state.model.parameters() if p.grad is not None]
        self.processes.average([value, *gradients])
        nn.utils.clip_grad_norm_(state.model.parameters(), optim.clip)
        move(state.optimizers, lr, self.gradient.map)
        follow(state.average, state.model, optim.ema, state.step)
        if self.texture is not None and self.texture.rival is not None:
            self.texture.rival.learn(degraded, target, lr, self.processes)
        return value

    def loss(self, degraded: Tensor, target: Tensor) -> Tensor:
        """Mean loss of a `batch`, or of some of its crops, by the network as it stands."""
        loss, output = self.recipe.loss, self.output(degraded)
        if self.teacher is not None:
            target = nearer(output, *target.chunk(2, 1))
        value = restoration_loss(output, target, loss.charbonnier, loss.fft, loss.decibel)
        return value if self.texture is None else value + self.texture(output, target)

    def output(self, degraded: Tensor, weights: dict[str, Tensor] | None = None) -> Tensor:
        """The network's pictures in the run's precision, returned in fp32; with other weights."""
        model, half = self.state.model, self.precision == torch.bfloat16
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=half):
            output = (
                model(degraded) if weights is None else functional_call(model, weights, degraded)
            )
        return output.float()

    def _report(self, means: Means, measured: bool) -> StepReport:
        """Check the loss, and say how far the run is."""
        if not math.isfinite(means.loss):
            raise SerpentError(
                f"the loss became {means.loss} before step {self.state.step}",
                hint="lower optim.lr, or train in fp32; the last checkpoint is kept",
            )
        self.state.seconds += means.seconds
        gain = None
        if measured and self.validation:
            weights = self.weights()
            gain = self.validation.measure(lambda x: self.output(x, weights))
        return StepReport(
            step=self.state.step,
            steps=self.recipe.optim.steps,
            loss=round(means.loss, 6),
            lr=learning_rate(self.recipe.optim, self.state.step - 1),
            crops_per_second=round(means.steps * self.recipe.data.batch / means.seconds, 2),
            data_share=round(means.data_share, 4),
            scan_share=round(means.scan_share, 4),
            seconds=round(self.state.seconds, 1),
            val_psnr=None if gain is None else round(gain, 3),
        )


def _begin(recipe: Recipe, init: dict[str, Tensor] | None, device: torch.device) -> TrainingState:
    """The state before the first step."""
    model = build_model(recipe.model)
    if init is not None:
        start_from(model, init)
    if recipe.optim.checkpointing:
        recompute_blocks(model)
    model.to(device).train()
    generator = torch.Generator().manual_seed(recipe.seed)
    # A GPU draws noise itself; on the CPU one stream serves all.
    field = generator
    if device.type == "cuda":
        field = torch.Generator(device).manual_seed(recipe.seed)
    average = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizers = build_optimizers(model, recipe.optim)
    return TrainingState(model, average, optimizers, generator, field, digest(recipe))


def _validation(
    recipe: Recipe, photos: list[Tensor], held_out: list[Tensor] | None, device: torch.device
) -> tuple[list[Tensor], Validation | None]:
    """The photographs left for training, and the validation that the recipe asks for."""
    if not recipe.validation.every:
        if held_out is not None:
            raise UsageError("photographs to validate on need a recipe with validation.every")
        return photos, None
    if held_out is None:
        photos, held_out = hold_out(photos, recipe)
    return photos, Validation(recipe, held_out, device)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def digest(recipe: Recipe) -> str:
    """A short name for everything in the recipe that decides the result."""
    facts = asdict(recipe)
    facts["model"] = recipe.model.record()
    for words in ("log", "description", "limits"):
        facts.pop(words)
    for words in ("accumulate", "checkpointing"):  # a run that ran out of memory may go on so
        facts["optim"].pop(words)
    if recipe.cubes is None:
        facts.pop("cubes")
    for way in facts["degrade"]["mixture"]:
        if not way["taught"]:
            way.pop("taught")
    for section, word in LATER:
        if not facts[section][word]:
            facts[section].pop(word)
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
