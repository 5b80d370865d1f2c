"""Restoring end to end on one device: megapixels per second, and how far the network is from ideal.

Ideal is the sum over the network's operations of the larger of bytes over bandwidth and products
over rate, both measured.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from bench.device_limits import copy_bandwidth
from bench.roofline import Roofline
from bench.timing import Row, median
from serpent_cli.imaging.picture import Picture
from serpent_cli.ops.backend import use_backend
from serpent_cli.ops.cross_scan import mamba
from serpent_cli.restoration.restorer import Restorer

IDEAL_BAR = 1 / 0.4  # wall time over the kernels' least times, one picture of 4 megapixels
TRAINING_BAR = 1 / 2  # peak memory of a training step over mamba's
CROPS = (256, 512, 1024)


def rows(device: torch.device, *, tiny: bool) -> list[Row]:
    """The bundled `deblur`, in the precision and the plan that a user gets."""
    side = 64 if tiny else 2048
    restorer = Restorer.from_pretrained("deblur", device=str(device))
    model, dtype = restorer.forward.model, restorer.forward.dtype
    found = network_rows(restorer, side, barred=device.type == "cuda" and not tiny)
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    seconds = median(lambda: restorer.restore(Picture(pixels)), torch.device("cpu"), 5)
    found.append(Row(f"picture {side}² to picture", side**2 / 1e6 / seconds, "MP/s"))
    if device.type == "cuda":
        found += [training_row(model, crop, dtype, device) for crop in CROPS]
    return found


def network_rows(restorer: Restorer, side: int, *, barred: bool) -> list[Row]:
    """The network alone: time, ideal, and the replay of a CUDA graph."""
    forward, device = restorer.forward, restorer.device
    x = torch.rand(1, 3, side, side, device=device)
    copy_bandwidth(device)  # measured before, not within
    with torch.inference_mode(), Roofline(device) as ideal:
        forward.run(x, forward.dtype)
    seconds = median(lambda: forward.run(x, forward.dtype), device, 5)
    name = f"network {side}², {str(forward.dtype).removeprefix('torch.')}"
    bar = IDEAL_BAR if barred else None
    found = [Row(f"{name}, ideal", seconds * 1e3, "ms", ideal.seconds * 1e3, bar)]
    found.append(Row(f"{name}, operations", ideal.kernels, ""))
    if device.type == "cuda":
        replay = median(graph(restorer, x), device, 5)
        found.append(Row(f"{name}, replayed graph", replay * 1e3, "ms", seconds * 1e3))
    return found


def graph(restorer: Restorer, x: torch.Tensor) -> Callable[[], None]:
    """Capture one pass of the network; the call that replays it."""
    forward, captured = restorer.forward, torch.cuda.CUDAGraph()
    with torch.inference_mode():
        forward.run(x, forward.dtype)  # whatever is chosen or compiled at first
        with torch.cuda.graph(captured):
            forward.run(x, forward.dtype)
    return captured.replay


def training_row(model: nn.Module, crop: int, dtype: torch.dtype, device: torch.device) -> Row:
    """Peak memory of one training step on one crop, against mamba's where it is installed."""
    peak, rival = peak_bytes(model, crop, dtype, device, None), None
    if mamba.unavailable() is None:
        rival = peak_bytes(model, crop, dtype, device, "mamba") / 2**20
    bar = None if rival is None else TRAINING_BAR
    return Row(f"training step, one crop of {crop}²", peak / 2**20, "MiB", rival, bar)


def peak_bytes(
    model: nn.Module, crop: int, dtype: torch.dtype, device: torch.device, backend: str | None
) -> int:
    """The most that torch has allocated during a training step."""
    model.train().requires_grad_()
    optimizer = torch.optim.AdamW(model.parameters())
    x = torch.rand(1, 3, crop, crop, device=device)
    torch.cuda.reset_peak_memory_stats(device)
    with use_backend(backend):
        for _ in range(2):
            with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
                loss = (model(x) - x).square().mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    model.eval().requires_grad_(False)
    return torch.cuda.max_memory_allocated(device)
