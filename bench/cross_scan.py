"""The scan on a CPU against the same arithmetic on registers alone."""

import torch
from torch import Tensor

from bench.timing import Row, fastest
from serpent_cli.ops.cross_scan import cross_scan, native
from serpent_cli.restoration.allocator import reused_memory

D, K, RANK = 96, 4, 3
FORWARD_BARS = {(256, 1): 1.3, (256, 16): 1.5, (1024, 1): 2.0, (1024, 16): 2.0}
BACKWARD_BAR = 4.0
# Seconds of `chunked` at 256 x 256 where one thread's register limit is this many seconds.
CHUNKED_BARS = {1: (0.4, 0.022), 16: (1.2, 0.087)}


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


def rows() -> list[Row]:
    """All cases, with memory that stays mapped, as while a picture is restored."""
    with reused_memory(hand_back=True):
        return measured()


def measured() -> list[Row]:
    """Forward at two sizes, forward and backward, and `chunked`, for N = 1 and 16."""
    threads, found = torch.get_num_threads(), []
    for (side, states), bar in FORWARD_BARS.items():
        tensors = inputs(side, states)
        limit = register_limit(side, states) / threads
        name = f"{side}²×{D}, N {states}, {threads} threads"
        with torch.no_grad():
            forward = fastest(lambda tensors=tensors: cross_scan(*tensors, backend="native"), 10)
        found.append(Row(f"native forward {name}", forward * 1e3, "ms", limit * 1e3, bar))
        if side == 256:
            both = fastest(lambda tensors=tensors: forward_backward(tensors), 3)
            found.append(Row(f"native both {name}", both * 1e3, "ms", forward * 1e3, BACKWARD_BAR))
            found.append(chunked_row(name, tensors, states, limit * threads))
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
