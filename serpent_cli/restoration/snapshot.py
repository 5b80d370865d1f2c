"""Coded snapshots to cubes: by trained weights, or without by the Wiener filter or GAP-TV."""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from serpent_cli.cubes.cube import Samples
from serpent_cli.degrade.cassi import STEP, bands_in, gain, network_input
from serpent_cli.errors import ModelError, PictureError, UsageError
from serpent_cli.model.hyperspectral.wiener import wiener
from serpent_cli.model.limits import size_multiple
from serpent_cli.restoration.gap_tv import TURNS, gap_tv
from serpent_cli.restoration.tensors import pad_to
from serpent_cli.tiling.grid import rounded_up
from serpent_cli.zoo.card import Card

Method = Literal["wiener", "gap-tv"]
"""What needs no weights."""

METHODS: dict[str, Method] = {name: name for name in get_args(Method)}
"""The same by name."""

BRIGHT = 0.7
"""What the brightest spectrum's mean is taken for, of full scale, where nothing is said."""


def bands_of(measurement: Samples, mask: Samples, step: int = STEP) -> int:
    """How many bands a snapshot (H, W') is the sum of, with a mask (H, W).

    Raises:
        UsageError: Their sizes do not fit.
    """
    bands = bands_in(measurement.shape[1], mask.shape[1], step)
    if bands is None or measurement.shape[0] != mask.shape[0]:
        raise UsageError(
            f"a measurement of {measurement.shape[1]}x{measurement.shape[0]} does not fit a mask of"
            f" {mask.shape[1]}x{mask.shape[0]} with {step} pixels between bands",
            hint="it is as high as the mask, and --step pixels wider for each band but the first",
        )
    return bands


def brightness(measurement: Samples, mask: Samples, step: int = STEP) -> float:
    """What one band's full scale is in the units of a snapshot, guessed from its brightest places.

    The mean of a spectrum is about the snapshot over the light that its mask lets through.
    """
    bands = bands_of(measurement, mask, step)
    open_ = np.sqrt(gain(torch.from_numpy(mask), bands, step).numpy() * bands)
    means = measurement[open_ > 0] / open_[open_ > 0]
    brightest = float(np.quantile(means, 0.999)) if len(means) else 0.0
    return brightest / BRIGHT if brightest > 0 else 1.0


def reconstruct(
    measurement: Samples,
    mask: Samples,
    *,
    step: int = STEP,
    white: float = 1.0,
    method: Method = "wiener",
    turns: int = TURNS,
    network: tuple[nn.Module, Card] | None = None,
    device: torch.device | None = None,
    progress: Callable[[int], object] = lambda turn: None,
) -> Samples:
    """Reconstruct a cube.

    Args:
        measurement: (H, W + d (T − 1)) float32, in any unit.
        mask: (H, W) float32 in [0, 1].
        step: d, pixels from band to band.
        white: One band's full scale, in that unit.
        method: How, without weights; GAP-TV is slower and less exact.
        turns: Of GAP-TV.
        network: Weights to use instead.
        device: Where to compute.
        progress: Told the number of each turn of GAP-TV that is done.

    Returns:
        (T, H, W) float32 in the measurement's unit.

    Raises:
        UsageError: The sizes do not fit.
        ModelError: The weights are for other snapshots.
        PictureError: The result is not finite.
    """
    bands, where = bands_of(measurement, mask, step), device or torch.device("cpu")
    y = torch.from_numpy(measurement / np.float32(white))[None].to(where)
    open_ = torch.from_numpy(mask).to(where)
    if network is not None:
        cube = _by_network(y, open_, bands, step, *network)
    elif method == "wiener":
        cube = wiener(y, open_[None], bands, step=step)[0]
    else:
        cube = gap_tv(y, open_, bands, step=step, turns=turns, progress=progress)[0]
    if not bool(torch.isfinite(cube).all()):
        raise PictureError(
            "the reconstruction has numbers that are not finite", "Is --white right?"
        )
    return cube.clamp(0, None).cpu().numpy() * np.float32(white)


def fits(card: Card, bands: int, step: int) -> bool:
    """Whether weights are for snapshots of so many bands, so many pixels apart."""
    return card.task == "reconstruct" and card.config.channels == bands and step == STEP


@torch.inference_mode()
def _by_network(
    y: Tensor, mask: Tensor, bands: int, step: int, model: nn.Module, card: Card
) -> Tensor:
    if not fits(card, bands, step):
        made_for = f"snapshots of {card.config.channels} bands, {STEP} pixels apart"
        raise ModelError(
            f"the model {card.name} does not fit this snapshot of {bands} bands, {step} apart",
            hint=f"it is for {made_for if card.task == 'reconstruct' else card.task}; `--model"
            " wiener` needs no weights",
        )
    shifted = network_input(y, bands)
    both = torch.cat((shifted, mask.expand_as(shifted)), 1)
    grid = size_multiple(card.config)
    least = 2 * grid if grid > 1 else 1
    high, wide = (max(least, rounded_up(side, grid)) for side in both.shape[-2:])
    return model(pad_to(both, high, wide))[0, :, : y.shape[1], : mask.shape[1]].float()
