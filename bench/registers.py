"""What the Triton kernels take of an NVIDIA GPU: compiled and read, without one.

Registers of a thread, and the instructions that a step of 32 channels issues, beside those of its
arithmetic alone: each of a multiprocessor's four schedulers issues one a cycle, so that where
memory does not limit, these counts are time.
"""

import inspect
import re
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench.timing import Row
from serpent_cli.ops.cross_scan.triton_shape import best_block, best_block_back, best_stride

SIZES = (
    "height", "width", "D", "K", "forth", "back", "segment", "segments", "slots", "pictures",
    "marks", "steps", "chunks", "backward",
)  # fmt: skip
HALVES = ("u", "dbc", "y", "grad_y", "grad_u", "grad_dbc")
FORM = {
    "COLUMNS": False, "SNAKE": False, "FORTH": True, "BACK": True, "OBSERVE": True, "WHOLE": True,
    "EXACT": False,
}  # fmt: skip
CARRIED = {"SKIP": True, "CARRIED": True, "ADD": False, "FINAL": True}
D, RANK = 128, 4
HOPPER = ("cuda", 90, 32)  # backend, compute capability · 10, threads of a warp
SPILLS = ("LDL", "STL")
EXCHANGES = ("SHFL", "BAR", "LDS", "STS", "LDSM", "STSM")


def compiled(
    kernel: Any,
    constants: dict[str, Any],
    half: str = "bf16",
    target: tuple[str, int | str, int] = HOPPER,
) -> Any:
    """The kernel as Triton compiles it for a GPU.

    Args:
        kernel: A function of `triton.jit`.
        constants: Its compile-time arguments, and others that Triton takes for such: those of 1.
        half: Type of the maps: bf16, fp16 or fp32.
        target: Backend, generation, threads of a warp.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature, attributes = {}, {}
    for i, name in enumerate(inspect.signature(kernel.fn).parameters):
        if name in constants:
            signature[name] = "constexpr"
            continue
        size = name in SIZES
        signature[name] = "i32" if size else f"*{half}" if name in HALVES else "*fp32"
        if not size or name == "D":
            attributes[(i,)] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, attributes)
    options = {"num_warps": 1, "enable_fp_fusion": True}
    return triton.compile(source, GPUTarget(*target), options)


@dataclass(frozen=True)
class MachineCode:
    """What the assembler made of a kernel.

    Attributes:
        registers: Of a thread.
        instructions: Names of instructions by address.
        loops: First and last address of each loop that holds no other.
    """

    registers: int
    instructions: dict[int, str]
    loops: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, kernel: Any) -> Self:
        """Read a compiled kernel with the tools that come with Triton."""
        usage = re.search(r"REG:(\d+)", _dump(kernel, "-res-usage"))
        assert usage is not None
        instructions, jumps = {}, []
        for found in re.finditer(
            r"^\s+/\*(\w{4,})\*/\s+(?:@!?\w+ )?(\S+)\s*(.*?);", _dump(kernel, "-sass"), re.MULTILINE
        ):
            address = int(found[1], 16)
            instructions[address] = found[2].partition(".")[0]
            if found[2].startswith("BRA") and (to := re.search(r"0x(\w+)", found[3])):
                jumps.append((int(to[1], 16), address))
        back = [(to, at) for to, at in jumps if to < at]
        loops = tuple(
            (to, at)
            for to, at in back
            if not any(to <= a and b <= at for a, b in back if (a, b) != (to, at))
        )
        return cls(int(usage[1]), instructions, loops)

    def bodies(self) -> Iterator[list[str]]:
        """The instructions of each innermost loop."""
        for first, last in self.loops:
            yield [name for at, name in self.instructions.items() if first <= at <= last]

    def in_loops(self, names: Sequence[str]) -> int:
        """How many of these instructions the innermost loops hold."""
        return sum(name in names for body in self.bodies() for name in body)


def _dump(kernel: Any, option: str) -> str:
    """What the disassembler says of a compiled kernel."""
    import triton

    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        command = [str(tool), option, file.name]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def rows() -> list[Row]:
    """Each kernel for N = 1 and 16, and the two visits of a forward pass together."""
    return [row for n in (1, 16) for row in rows_of(n)]


def rows_of(n: int) -> list[Row]:
    """The rows for one number of states."""
    from bench.register_kernel import registers
    from serpent_cli.ops.cross_scan.triton_adjoint import sweep_back
    from serpent_cli.ops.cross_scan.triton_backward import sweep_gradient
    from serpent_cli.ops.cross_scan.triton_forward import sweep

    block, block_back, stride = best_block(D, n), best_block_back(D, n), best_stride(n)
    form = {"R": RANK, "N": n, "NP": n, "BLOCK": block, **FORM}
    back = {**form, "BLOCK": block_back, "STRIDE": stride, **CARRIED}
    alone = compiled(registers, {"RP": RANK, "NP": n, "BLOCK": block})
    limit = per_step(MachineCode.of(alone), block)
    cases = {
        "forward": (sweep, {**form, **CARRIED, "WRITE": True}, block),
        "summary": (sweep, {**form, **CARRIED, "WRITE": False}, block),
        "adjoint summary": (sweep_back, form, block),
        "gradient": (sweep_gradient, back, block_back * stride / 2),  # of each way two loops
    }
    found, both = [], 0.0
    for name, (kernel, constants, channels) in cases.items():
        code = MachineCode.of(compiled(kernel, constants))
        title = f"{name}, N {n}, {constants['BLOCK']} channels"
        issued = per_step(code, channels)
        both += issued if kernel is sweep else 0.0
        found.append(Row(title, code.registers, "registers"))
        spilled = code.in_loops(SPILLS)
        found.append(Row(f"{title}: spilled in loops", spilled, "instructions", None, 0.0))
        if name != "gradient":  # which adds up over channels
            between = code.in_loops(EXCHANGES)
            found.append(Row(f"{title}: between threads", between, "instructions", None, 0.0))
        found.append(Row(f"{title}: a step", issued, "instructions", limit))
    return [*found, Row(f"forward and summary, N {n}: a step", both, "instructions", limit)]


def per_step(code: MachineCode, channels: float) -> float:
    """Instructions for 32 channels of one step: a loop's, which takes `channels` at a time."""
    return statistics.fmean(len(body) for body in code.bodies()) * 32 / channels
