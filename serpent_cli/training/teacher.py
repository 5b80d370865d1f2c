"""Learning from weights that know more of one thing, as `deblur-even` does of even, slight blur.

A photograph's finest detail cannot be foretold: most of what separates a network's picture from it
is nothing to learn, and in a small batch drowns what is. A teacher's picture has no such detail
(Hinton, Vinyals, Dean, arXiv 1503.02531). Where a crop is blurred in parts, the teacher sees each
blur all over, and its pictures are put together as the blurs were.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.degrade.pipeline import Layers
from serpent_cli.degrade.varying import blend
from serpent_cli.errors import UsageError
from serpent_cli.training.gradient import Map
from serpent_cli.training.loss import PATCH
from serpent_cli.zoo.load import load_model


def begin_teacher(weights: str, device: torch.device, *, half: bool) -> "Teacher":
    """The teacher that a recipe names.

    Args:
        weights: Name or path of weights that deblur.
        device: Where it computes.
        half: See `Teacher`.

    Raises:
        ModelError: See `load_model`.
        UsageError: The weights do something else.
    """
    model, card = load_model(weights, device)
    if card.task != "deblur":
        raise UsageError(
            f"the teacher {weights} is for the task {card.task}",
            hint="loss.teacher takes weights that deblur",
        )
    return Teacher(model, half=half)


class Teacher:
    """A finished network whose pictures another one learns from.

    Args:
        model: (B, 3, H, W) in [0, 1] to the same.
        half: Compute in bf16.
    """

    def __init__(self, model: nn.Module, *, half: bool) -> None:
        self.model, self.half = model, half

    def pictures(self, truth: Tensor, layers: Sequence[Layers], over: Map) -> Tensor:
        """What the teacher makes of the crops that have layers; of all others the truth.

        Args:
            truth: (B, 3, H, W) in [0, 1].
            layers: From `degrade`.
            over: Shares the crops out among a CPU's cores.
        """
        made = truth.clone()
        single = [picture for each in layers for picture in torch.cat(each.pictures).split(1)]
        restored = over(self._restored, single)
        for each in layers:
            count = len(each.rows)
            own = torch.cat([next(restored) for _ in range(count * len(each.pictures))])
            made[each.rows] = blend(list(own.split(count)), each.masks)
        return made

    def _restored(self, picture: Tensor) -> Tensor:
        with (
            torch.no_grad(),
            torch.autocast(picture.device.type, dtype=torch.bfloat16, enabled=self.half),
        ):
            return self.model(picture).float().clamp(0, 1)


def nearer(output: Tensor, truth: Tensor, taught: Tensor) -> Tensor:
    """What to learn: the teacher's picture wherever it is nearer to the truth than the network's.

    Each square of `PATCH` pixels is judged by itself: a teacher that fails at a border, or on flat
    colours, is not followed there.

    Args:
        output: The network's pictures, (B, 3, H, W).
        truth: The sharp crops.
        taught: The teacher's pictures.
    """
    with torch.no_grad():
        own, its = (
            functional.avg_pool2d((x - truth).square().mean(1, keepdim=True), PATCH, ceil_mode=True)
            for x in (output, taught)
        )
        better = functional.interpolate((its < own).float(), scale_factor=PATCH)
        better = better[..., : truth.shape[-2], : truth.shape[-1]]
        return torch.where(better > 0, taught, truth)
