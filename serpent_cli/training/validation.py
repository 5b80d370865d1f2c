"""What a network gains on crops of photographs that it never trains on."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from serpent_cli.degrade.draws import generator_for, upload
from serpent_cli.errors import UsageError
from serpent_cli.model.unet import enlarge
from serpent_cli.training.crops import CropSampler, degraded_pair
from serpent_cli.training.loss import LEAST_ERROR
from serpent_cli.training.recipe import Recipe


def hold_out(photos: list[Tensor], recipe: Recipe) -> tuple[list[Tensor], list[Tensor]]:
    """Part photographs into those to train on and those to validate on.

    The seed alone decides; the run's own random stream is not touched.

    Raises:
        UsageError: There are too few photographs that are large enough.
    """
    count, side = recipe.validation.photos, _side(recipe)
    large = [i for i, photo in enumerate(photos) if min(photo.shape[:2]) >= side]
    order = torch.randperm(len(large), generator=generator_for(f"held out {recipe.seed}"))
    chosen = {large[i] for i in order[:count].tolist()}
    if len(chosen) < count or len(chosen) == len(photos):
        raise UsageError(
            f"{len(large)} of {len(photos)} photographs have {side} x {side} pixels: too few to"
            f" keep {count} for validation",
            hint="change validation.photos or validation.crop, or give --val-photos",
        )
    train = [photo for i, photo in enumerate(photos) if i not in chosen]
    return train, [photos[i] for i in sorted(chosen)]


class Validation:
    """One crop of each held-out photograph, cut and degraded once, the same on every device.

    Args:
        recipe: Its degradation is the one that is undone; no crop is left sharp.
        photos: uint8 tensors (H, W, 3).
        device: Where the network runs.

    Raises:
        UsageError: A photograph is smaller than the recipe's crop.
    """

    def __init__(self, recipe: Recipe, photos: list[Tensor], device: torch.device) -> None:
        generator = generator_for(f"validation {recipe.seed}")
        side = _side(recipe)
        crops = torch.cat([CropSampler([photo], side, generator).draw(1) for photo in photos])
        ways = tuple(replace(way, clean_share=0.0) for way in recipe.degrade.mixture)
        always = replace(
            recipe,
            degrade=replace(recipe.degrade, mixture=ways),
            data=replace(recipe.data, flat_share=0.0, frame_share=0.0, lettering_share=0.0),
        )
        pair = degraded_pair(crops, always, generator)
        self.degraded, self.target = (upload(x, device) for x in pair)
        self.batch = recipe.data.batch
        given = self.degraded[:, : self.target.shape[1]]  # without a snapshot's mask
        self.axes = recipe.degrade.task == "denoise"  # they have neither black and white nor levels
        self.before = self._psnr(enlarge(given, recipe.model.scale))

    @torch.no_grad()
    def measure(self, restore: Callable[[Tensor], Tensor]) -> float:
        """Mean gain in dB of PSNR over the input, which is enlarged first for `upscale`."""
        restored = torch.cat([restore(x) for x in self.degraded.split(self.batch)])
        return float((self._psnr(restored) - self.before).mean())

    def _psnr(self, x: Tensor) -> Tensor:
        """PSNR of every picture (B, C, H, W), in dB; 48 where less than a level is off."""
        x = x.float() if self.axes else x.float().clamp(0, 1)
        error = (x - self.target).square().mean((1, 2, 3))
        return -10 * error.clamp_min(1e-12 if self.axes else LEAST_ERROR).log10()


def _side(recipe: Recipe) -> int:
    return recipe.validation.crop + 2 * recipe.data.halo
