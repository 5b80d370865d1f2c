"""Choosing where a network runs, and in which type."""

import functools
import math
import time

import torch

from serpent_cli.restoration.device_names import KINDS, absent, check_precision, split_device

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}

TRIALS = 15  # the fastest counts: other programs only ever slow one down

VRAM_SHARE = 0.8
"""Share of a device's own memory that is planned for, when no budget is given."""


def choose_device(name: str) -> torch.device:
    """The device that a name asks for; `auto` takes the first GPU, or the CPU.

    Args:
        name: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`, `xpu`.

    Raises:
        DeviceError: Unknown, or not on this machine: a forced device never falls back.
    """
    if name == "auto":
        found = torch.accelerator.current_accelerator(check_available=True)
        return _numbered(found.type if found is not None and found.type in KINDS else "cpu", "")
    kind, index = split_device(name)
    if kind != "cpu":
        count = getattr(torch, kind).device_count() if hasattr(torch, kind) else 0
        if int(index or 0) >= count:
            raise absent(name, count)
    return _numbered(kind, index)


def _numbered(kind: str, index: str) -> torch.device:
    """A device with its index, which parts of torch insist on; the CPU and MPS have none."""
    return torch.device(kind) if kind in ("cpu", "mps") else torch.device(kind, int(index or 0))


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The type that matrix products run in.

    Args:
        name: `auto`, `fp32` or `bf16`; `auto` is bf16 where the device multiplies it in hardware,
            and on a CPU, where a tiny trial shows that it is faster there.
        device: Where the network runs.

    Raises:
        UsageError: None of these.
    """
    if name == "auto":
        native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        native = native or (device.type == "cpu" and cpu_is_faster_in_bf16())
        return torch.bfloat16 if native else torch.float32
    check_precision(name)
    return PRECISIONS[name]


def use_threads(count: int | None) -> None:
    """Let torch compute in so many threads of the CPU; None: in as many as it chooses."""
    if count is not None:
        torch.set_num_threads(count)


@functools.cache
def cpu_is_faster_in_bf16() -> bool:
    """Whether this CPU has instructions for products of bf16, and they save a fifth of the time.

    The trial is a product as the network has them. Where the instructions exist it takes a half to
    a tenth of fp32's time. One thread alone computes it: several that wait for each other beside
    busy programs are late at random, and the answer must be the same every time.
    """
    known = getattr(torch.cpu, "get_capabilities", dict)()
    if not (known.get("amx_bf16") or known.get("avx512_bf16")):
        return False
    seconds = dict.fromkeys(PRECISIONS.values(), math.inf)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(TRIALS):
            for dtype in seconds:
                tokens, weight = torch.ones(4096, 64, dtype=dtype), torch.ones(128, 64, dtype=dtype)
                begun = time.perf_counter()
                torch.mm(tokens, weight.T)
                seconds[dtype] = min(seconds[dtype], time.perf_counter() - begun)
    finally:
        torch.set_num_threads(threads)
    return seconds[torch.bfloat16] < 0.8 * seconds[torch.float32]


def device_memory(device: torch.device) -> int | None:
    """Bytes of a device's own memory in all; None where it shares the machine's."""
    if device.type not in ("cuda", "xpu"):
        return None
    return torch.accelerator.get_memory_info(device)[1]


def limit_device_memory(device: torch.device, budget: int) -> None:
    """Let torch allocate no more than `budget` bytes on a CUDA device: beyond, it is out of memory.

    Where torch cannot be told (XPU), the plan alone keeps the budget.
    """
    total = device_memory(device)
    if device.type == "cuda" and total:
        torch.cuda.set_per_process_memory_fraction(min(1.0, budget / total), device)
