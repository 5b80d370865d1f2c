"""How a call of `cross_scan` is cut for a GPU: sweeps, segments, blocks of channels, programs.

Chosen from the sizes of the call and of the GPU alone, so that results repeat; README.md, "On a
GPU", gives the reasons.
"""

import functools
import itertools
import sys
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from serpent_cli.ops.cross_scan.scan_request import ScanOptions, ScanRequest
from serpent_cli.settings import INTERPRET

WARPS_PER_SM = 16
"""Programs (of one warp) in flight that keep a multiprocessor's special function units busy."""
WARPS_BACK = 8
"""The same on the way back, where a thread takes up to 255 registers."""
LEAST_SEGMENT = 16
"""Steps below which a segment's fixed costs (parameters, carries) outweigh what it spreads."""
MOST_STATES_BY_MEMORY = 2
"""States up to which a scan waits for memory rather than for arithmetic."""


@functools.cache
def interpreted() -> bool:
    """Whether Triton runs its kernels in Python on the CPU: for proofs, never for work."""
    if "triton" not in sys.modules and INTERPRET.get() is None:
        return False  # without looking: loading it takes a while
    try:
        import triton

        return bool(triton.knobs.runtime.interpret)
    except (ImportError, AttributeError):  # a part of it is installed, or an old one
        return False


@dataclass(frozen=True)
class Sweep:
    """One order of pixels, walked by up to two paths: forth and back.

    Attributes:
        columns: Along columns, not rows.
        snake: Turning at the end of every line.
        forth: Index of the path in this order; None if there is none.
        back: Index of the path in the reversed order.
    """

    columns: bool
    snake: bool
    forth: int | None
    back: int | None

    def ways(self) -> dict[str, Any]:
        """The kernels' arguments of the same names."""
        return {
            "forth": self.forth or 0, "back": self.back or 0, "COLUMNS": self.columns,
            "SNAKE": self.snake, "FORTH": self.forth is not None, "BACK": self.back is not None,
        }  # fmt: skip


def sweeps(paths: tuple[str, ...]) -> list[Sweep]:
    """As few sweeps as serve all paths: two for the usual four."""
    found: list[Sweep] = []
    for columns, snake in itertools.product((False, True), repeat=2):
        name = ("col" if columns else "row") + ("_snake" if snake else "")
        forth = [k for k, path in enumerate(paths) if path == name]
        back = [k for k, path in enumerate(paths) if path == f"{name}_rev"]
        pairs = itertools.zip_longest(forth, back)
        found += [Sweep(columns, snake, k, rev) for k, rev in pairs]
    return found


@dataclass(frozen=True)
class Shape(ScanRequest):
    """A call and how it is cut.

    Attributes:
        segment: Steps of one segment; with reset 0, for segments are lines then.
    """

    segment: int

    @classmethod
    def of(cls, u: Tensor, dt_weight: Tensor, A_log: Tensor, options: ScanOptions) -> Self:
        """Chosen from the sizes of the call and of the GPU alone, so that results repeat."""
        call = ScanRequest.of(u, dt_weight, A_log, options)
        block = best_block(call.D, call.N)
        rows = call.B * -(-call.D // block)
        held = block * (u.element_size() + 4) if call.N <= MOST_STATES_BY_MEMORY else 0
        segment = 0 if options.reset else best_segment(call.H * call.W, rows, held, u.device)
        return cls(**vars(call), segment=segment)

    @property
    def carried(self) -> bool:
        """Whether states pass from segment to segment."""
        return not self.options.reset and self.segment < self.H * self.W

    def cut(self, columns: bool) -> tuple[int, int]:
        """(steps of a segment, segments of a map) of a sweep."""
        if self.options.reset:
            return (self.H, self.W) if columns else (self.W, self.H)
        return self.segment, -(-self.H * self.W // self.segment)

    def marks(self, columns: bool, stride: int) -> int:
        """The most strides of a segment on the way back: they end with lines, too."""
        steps, _ = self.cut(columns)
        length = self.H if columns else self.W
        return -(-steps // stride) + -(-steps // length) + 1

    def sizes(self, block: int) -> dict[str, Any]:
        """What every kernel is told; `block` channels for each program."""
        return {
            "height": self.H, "width": self.W, "D": self.D, "K": self.K, "R": self.R, "N": self.N,
            "NP": _padded(self.N), "BLOCK": block, "WHOLE": self.D % block == 0,
            "OBSERVE": self.options.observe, "EXACT": self.options.out_dtype == torch.float32,
        }  # fmt: skip


def best_block(d: int, n: int) -> int:
    """Channels of a program: with many states fewer, for a thread holds them all in registers."""
    return _least_waste(d, 128 if n <= 4 else 64)


def best_block_back(d: int, n: int) -> int:
    """The same on the way back, where a thread also holds a stride's states."""
    return _least_waste(d, 128 if n <= 2 else 64 if n <= 8 else 32)


def _least_waste(d: int, most: int) -> int:
    """A step costs a fixed part beside what each 32 channels cost; channels beyond D are wasted."""
    widths = [width for width in (128, 64, 32) if width <= most]
    return min(widths, key=lambda width: -(-d // width) * (width // 32 + 1))


def best_segment(length: int, rows: int, held: int, device: torch.device) -> int:
    """Steps of a segment, so that `rows` sequences fill the GPU; `length` if they do anyway.

    A segment's second path reads again what the first one read and wrote, `held` bytes a step, from
    the newest to the oldest: segments are so short that the cache has room for those in flight.
    """
    if interpreted():
        return min(length, 6)  # short maps shall meet the borders of segments
    properties = torch.cuda.get_device_properties(device)
    programs = properties.multi_processor_count * WARPS_PER_SM
    steps = -(-length // max(1, programs // rows))
    if steps >= length:
        return length
    if held:
        steps = min(steps, properties.L2_cache_size // (programs * held))
    return min(length, max(LEAST_SEGMENT, -(-steps // LEAST_SEGMENT) * LEAST_SEGMENT))


def _padded(count: int) -> int:
    return 1 << (count - 1).bit_length()


def best_stride(n: int) -> int:
    """Steps whose states a thread keeps in registers on the way back."""
    return 3 if n == 1 else 2 if n <= 4 else 1


def best_slots(shape: Shape, blocks: int, device: torch.device) -> int:
    """Programs for each block of channels: as many as the GPU holds, at most one per segment."""
    least = min(shape.cut(columns)[1] for columns in (False, True))
    if interpreted():
        return min(2, shape.B * least)
    units = torch.cuda.get_device_properties(device).multi_processor_count
    return max(1, min(shape.B * least, units * WARPS_BACK // blocks))
