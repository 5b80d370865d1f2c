"""The scan on a CPU against what limits it.

Three limits, all measured in the same run: the same arithmetic on registers alone; its
multiply-adds alone, as fast as the machine issues them; and the bytes of its passes at the
bandwidth of a copy.
"""

import torch
from torch import Tensor

from bench.device_limits import copy_bandwidth
from bench.timing import Row, fastest
from serpent_cli.ops.cross_scan import cross_scan, native
from serpent_cli.restoration.allocator import reused_memory

D, K, RANK = 96, 4, 3
FORWARD_BARS = {
    (64, 1): 1.3, (64, 16): 1.5, (256, 1): 1.3, (256, 16): 1.5, (1024, 1): 2.0, (1024, 16): 2.0,
}  # fmt: skip
BACKWARD_BAR = 3.5
# Seconds of `chunked` at 256 x 256 where one thread's register limit is this many seconds.
CHUNKED_BARS = {1: (0.4, 0.0099), 16: (1.2, 0.0395)}


def inputs(side: int, states: int) -> list[Tensor]:
    """Random arguments of `cross_scan` for one map, decays as at Mamba's initialisation."""
    torch.manual_seed(0)
    rates = torch.arange(1, states + 1).log().repeat(K, D, 1)
    return [
        torch.randn(1, side, side, D), torch.randn(1, side, side, K, RANK + 2 * states),
        torch.randn(K, RANK, D) * 0.3, torch.randn(K, D) - 3, rates, torch.randn(K, D),
    ]  # fmt: skip


def register_limit(side: int, states: int) -> float:
    """Seconds that one thread needs for a map's arithmetic without touching memory."""
    elements = side * side * D * K
    library = native.library()
    return fastest(lambda: library.cross_scan_register_limit(elements, states, RANK))


def multiply_adds(states: int) -> int:
    """Multiplications, additions or both in one, of a channel's step that cannot do with fewer.

    The argument of delta takes one for each rank, its softplus 13 (5 for the exponential, 8 for the
    logarithm), delta·u one, and each state 9: 6 for its decay, 3 to decay, to grow and to be read.
    """
    return RANK + 14 + 9 * states


def issue_limit(side: int, states: int) -> float:
    """Seconds that one thread needs for a map's multiply-adds alone."""
    count = side * side * D * K * multiply_adds(states)
    return fastest(lambda: native.library().cross_scan_multiply_adds(count))


def memory_limit(side: int) -> float:
    """Seconds that all threads need for the passes over u and y, if nothing stays in the cache."""
    passes = 3 * K  # each path reads u, reads y and writes it
    return passes * 4 * side * side * D / copy_bandwidth(torch.device("cpu"))


def rows() -> list[Row]:
    """All cases, with memory that stays mapped, as while a picture is restored."""
    with reused_memory(hand_back=True):
        return measured()


def measured() -> list[Row]:
    """`native` at three sizes, forward and backward, and `chunked`, for N = 1 and 16."""
    threads, found = torch.get_num_threads(), []
    for (side, states), bar in FORWARD_BARS.items():
        tensors = inputs(side, states)
        registers = register_limit(side, states) / threads
        issue = issue_limit(side, states) / threads
        # A map of 64 x 64 stays in the cache.
        limit = registers if side == 64 else max(registers, memory_limit(side))
        name = f"{side}²×{D}, N {states}, {threads} threads"
        with torch.no_grad():
            forward = fastest(lambda tensors=tensors: cross_scan(*tensors, backend="native"), 10)
        found.append(Row(f"native forward {name}", forward * 1e3, "ms", limit * 1e3, bar))
        found.append(Row("  against its multiply-adds", forward * 1e3, "ms", issue * 1e3))
        if side < 1024:
            both = fastest(lambda tensors=tensors: forward_backward(tensors), 3)
            found.append(Row(f"native both {name}", both * 1e3, "ms", forward * 1e3, BACKWARD_BAR))
        if side == 256:
            found.append(chunked_row(name, tensors, states, registers * threads))
    return found


def forward_backward(tensors: list[Tensor]) -> None:
    """One training step of the operation alone."""
    leaves = [tensor.detach().requires_grad_() for tensor in tensors]
    y = cross_scan(*leaves, backend="native")
    torch.autograd.grad(y, leaves, tensors[0])


def chunked_row(name: str, tensors: list[Tensor], states: int, limit: float) -> Row:
    """`chunked` against its bar, scaled by this machine's register limit."""
    bar, reference = CHUNKED_BARS[states]
    with torch.no_grad():
        seconds = fastest(lambda: cross_scan(*tensors, backend="chunked"), 2)
    return Row(f"chunked forward {name}", seconds * 1e3, "ms", bar * limit / reference * 1e3, 1.0)
