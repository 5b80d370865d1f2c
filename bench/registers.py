"""Registers and spilled bytes of the Triton kernels on an NVIDIA GPU: compiled, without one."""

import inspect
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from bench.timing import Row
from serpent_cli.ops.cross_scan.triton_shape import MOST_BACK, best_block, best_stride

SIZES = ("height", "width", "D", "K", "forth", "back", "segment", "segments", "slots", "pictures")
HALVES = ("u", "dbc", "y", "grad_y", "grad_u", "grad_dbc")
FORM = {"COLUMNS": False, "SNAKE": False, "FORTH": True, "BACK": True, "OBSERVE": True}
CARRIED = {"SKIP": True, "CARRIED": True, "ADD": False, "FINAL": True}
D, RANK, CAPABILITY, SPILL_BAR = 128, 4, 90, 64  # compute capability · 10; bytes of a thread


def compiled(kernel: Any, constants: dict[str, Any]) -> Any:
    """The kernel for bf16 maps, as Triton compiles it for the GPU generation of CAPABILITY."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature, attributes = {}, {}
    for i, name in enumerate(inspect.signature(kernel.fn).parameters):
        if name in constants:
            signature[name] = "constexpr"
            continue
        size = name in SIZES
        signature[name] = "i32" if size else "*bf16" if name in HALVES else "*fp32"
        if not size or name == "D":
            attributes[(i,)] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, attributes)
    return triton.compile(source, GPUTarget("cuda", CAPABILITY, 32), {"num_warps": 1})


def usage(kernel: Any) -> tuple[int, int]:
    """Registers of a thread, and bytes of its stack, as the assembler reports them."""
    import triton

    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        command = [str(tool), "-res-usage", file.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", text)
    assert found is not None
    return int(found[1]), int(found[2])


def rows() -> list[Row]:
    """Each kernel for N = 1 and 16."""
    from serpent_cli.ops.cross_scan.triton_backward import sweep_back, sweep_gradient
    from serpent_cli.ops.cross_scan.triton_forward import sweep

    found: list[Row] = []
    for n in (1, 16):
        shape = {"R": RANK, "RP": RANK, "N": n, "NP": n, "BLOCK": best_block(D, n), **FORM}
        back = {**shape, "BLOCK": best_block(D, n, MOST_BACK), "STRIDE": best_stride(n)}
        cases = {
            "forward": (sweep, {**shape, **CARRIED, "WRITE": True}),
            "summary": (sweep, {**shape, **CARRIED, "WRITE": False}),
            "adjoint summary": (sweep_back, shape),
            "gradient": (sweep_gradient, {**back, **CARRIED}),
        }
        for name, (kernel, constants) in cases.items():
            registers, stack = usage(compiled(kernel, constants))
            title = f"{name}, N {n}, {constants['BLOCK']} channels"
            found.append(Row(title, registers, "registers"))
            found.append(Row(f"{title}: stack", stack, "bytes", None, SPILL_BAR))
    return found
