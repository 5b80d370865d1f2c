"""What a device can do, measured in the same run as what is compared with it."""

import functools

import torch
from torch import Tensor

from bench.timing import fastest, median
from serpent_cli.ops.cross_scan.triton_shape import interpreted

WIDE, TALL = 2**28, 8192  # elements copied; side of the matrices multiplied
PROGRAMS_PER_UNIT = 64
STEPS = 2048


@functools.cache
def copy_bandwidth(device: torch.device) -> float:
    """Bytes read and written per second by a copy far larger than the caches."""
    cpu = device.type == "cpu"
    source = torch.empty(2**24 if cpu else WIDE, dtype=torch.float32, device=device).zero_()
    target = torch.empty_like(source)
    return 2 * source.nbytes / median(lambda: target.copy_(source), device)


@functools.cache
def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Multiply-adds per second of a large matrix product."""
    side = 512 if device.type == "cpu" else TALL
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return side**3 / median(lambda: a @ b, device)


def register_seconds(elements: int, states: int, rank: int, device: torch.device) -> float:
    """Seconds for the arithmetic of `elements` steps of one channel, without touching memory."""
    if device.type == "cpu" and not interpreted():
        from serpent_cli.ops.cross_scan import native

        if native.unavailable() is not None:
            return 0.0  # nothing here can tell
        library = native.library()
        return fastest(lambda: library.cross_scan_register_limit(elements, states, rank), 1, 0.0)
    from bench.register_kernel import registers

    units, steps, block = 2, 2, 32
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        units, steps = properties.multi_processor_count * PROGRAMS_PER_UNIT, STEPS
        block = 128 if states <= 2 else 32
    out = torch.empty(units * block, device=device)
    sizes = {"RP": padded(rank), "NP": padded(states), "BLOCK": block}
    options = {} if interpreted() else {"num_warps": 1}

    def launch() -> Tensor:
        registers[(units,)](out, steps, **sizes, **options)
        return out

    return median(launch, device, 3 if interpreted() else 20) * elements / (units * steps * block)


def padded(count: int) -> int:
    """The next power of two."""
    return 1 << (count - 1).bit_length()
