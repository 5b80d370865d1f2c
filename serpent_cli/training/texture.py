"""What a training for crisp pictures adds: looks, a rival that judges, and faithful large shapes.

Distances alone make a network give the mean of all that may have been: it is soft. ST-LPIPS and a
discriminator reward what looks like a photograph instead, invented or not; the last term keeps
colours and large shapes those of the photograph.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.degrade.resize import bicubic_reduce
from serpent_cli.evaluation.perceptual import distances, features, load_weights
from serpent_cli.training.discriminator import Discriminator
from serpent_cli.training.gradient import BatchGradient
from serpent_cli.training.optimizer import build_optimizers, move
from serpent_cli.training.processes import Processes
from serpent_cli.training.recipe import LossSection, OptimSection

LEAST_SQUARE = 1e-3 / 255**2
"""Added to a mean square, so that its root has a slope where nothing is wrong."""

Restore = Callable[[Tensor], Tensor]


class Rival:
    """The discriminator of a run, and how it learns.

    Args:
        optim: Its weights move as the network's do; no average follows them.
        device: Where it judges.
        workers: See `BatchGradient`.
        restore: The network, as it stands.
        half: Compute in bf16.
    """

    def __init__(
        self,
        optim: OptimSection,
        device: torch.device,
        workers: int,
        restore: Restore,
        *,
        half: bool,
    ) -> None:
        self.model = Discriminator().to(device).train()
        self.optim, self.restore, self.half = optim, restore, half
        self.optimizers = build_optimizers(self.model, optim)
        parameters = list(self.model.parameters())
        self.gradient = BatchGradient(self._mistaken, parameters, workers, optim.accumulate)

    def judge(self, pictures: Tensor) -> Tensor:
        """See `Discriminator`; fp32."""
        with torch.autocast(pictures.device.type, dtype=torch.bfloat16, enabled=self.half):
            verdict = self.model(pictures)
        return verdict.float()

    def unconvinced(self, pictures: Tensor) -> Tensor:
        """How little it takes pictures for photographs: the network's loss, a scalar."""
        return functional.softplus(-self.judge(pictures)).mean()

    def _mistaken(self, degraded: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            made = self.restore(degraded)
        wrong = functional.softplus(self.judge(made)).mean()
        return (wrong + functional.softplus(-self.judge(target)).mean()) / 2

    def learn(self, degraded: Tensor, target: Tensor, lr: float, processes: Processes) -> Tensor:
        """One step of its own, after the network's; its loss, detached."""
        value = self.gradient(degraded, target)
        processes.average([value, *(p.grad for p in self.model.parameters() if p.grad is not None)])
        nn.utils.clip_grad_norm_(self.model.parameters(), self.optim.clip)
        move(self.optimizers, lr, self.gradient.map)
        self.model.settle()
        return value


class TextureLoss:
    """The terms beyond `restoration_loss` that a recipe asks for.

    Args:
        loss: Their weights; those of 0 cost nothing.
        scale: Output pixels per input pixel and axis.
        device: Where pictures are.
        half: Compute features in bf16.

    Raises:
        DeviceError: The weights of ST-LPIPS are wanted and missing.
        ModelError: Their file is damaged.
    """

    def __init__(self, loss: LossSection, scale: int, device: torch.device, *, half: bool) -> None:
        self.loss, self.scale, self.half = loss, scale, half
        self.weights: dict[str, Tensor] = {}
        self.rival: Rival | None = None
        if loss.perceptual:
            self.weights = {name: x.float().to(device) for name, x in load_weights().items()}

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """The weighted sum, a scalar, for (B, 3, H, W) with full scale 1."""
        total = output.new_zeros(())
        if self.loss.perceptual:
            total = total + self.loss.perceptual * self.looks(output, target)
        if self.loss.adversarial and self.rival is not None:
            total = total + self.loss.adversarial * self.rival.unconvinced(output)
        if self.loss.low_frequency:
            total = total + self.loss.low_frequency * low_frequency_rms(output, target, self.scale)
        return total

    def looks(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean ST-LPIPS, a scalar."""
        with torch.autocast(output.device.type, dtype=torch.bfloat16, enabled=self.half):
            with torch.no_grad():
                wanted = features(target, self.weights)
            return distances(features(output, self.weights), wanted, self.weights).mean()


def low_frequency_rms(output: Tensor, target: Tensor, scale: int) -> Tensor:
    """Mean over the pictures of the rms difference of their bicubic reductions; full scale 1.

    Both are reduced, not compared with the input: that may carry noise and blocks, which nobody
    wants back. Of a clean input the reduced target is the input itself.

    Args:
        output: (B, 3, H, W).
        target: The same shape.
        scale: Of the reduction; 1 reduces by 4, where nothing is enlarged.
    """
    reduced = bicubic_reduce(output - target, scale if scale > 1 else 4)
    return (reduced.square().mean((1, 2, 3)) + LEAST_SQUARE).sqrt().mean()


def begin_texture(
    loss: LossSection,
    optim: OptimSection,
    scale: int,
    device: torch.device,
    workers: int,
    restore: Restore,
    *,
    half: bool,
) -> TextureLoss | None:
    """What a recipe asks for beyond `restoration_loss`; None: nothing."""
    if not (loss.perceptual or loss.adversarial or loss.low_frequency):
        return None
    texture = TextureLoss(loss, scale, device, half=half)
    if loss.adversarial:
        texture.rival = Rival(optim, device, workers, restore, half=half)
    return texture
