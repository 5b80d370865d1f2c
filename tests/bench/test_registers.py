"""The GPU kernels as machine code, which Triton makes without a GPU: its interpreter knows nothing
of registers, threads, or sizes that become constants."""

import importlib.util
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="needs Triton, which is for Linux"
)

PLAIN = {"R": 4, "N": 1, "NP": 1, "BLOCK": 128}
ODD = {"R": 1, "N": 3, "NP": 4, "BLOCK": 32, "WHOLE": False, "EXACT": True}
FLAGS = {"SKIP": True, "CARRIED": True, "ADD": False, "FINAL": True}


@pytest.fixture(autouse=True)
def _beside_the_package(monkeypatch):
    """`bench` is found, but only behind the package that is installed."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parents[2])])


@pytest.fixture
def code():
    """A kernel's machine code, by the name of its module and its own."""
    from bench.registers import FORM, MachineCode, compiled

    def make(module, name, half="bf16", **constants):
        path = f"serpent_cli.ops.cross_scan.triton_{module}"
        kernel = getattr(importlib.import_module(path), name)
        flags = {key: value for key, value in {**FORM, **FLAGS}.items() if key in kernel.arg_names}
        return MachineCode.of(compiled(kernel, {**flags, **constants}, half))

    return make


@pytest.mark.parametrize("write", [True, False], ids=["scan", "summary"])
def test_threads_keep_to_themselves_in_every_step(code, write):
    from bench.registers import EXCHANGES, SPILLS

    made = code("forward", "sweep", WRITE=write, **PLAIN)
    assert len(made.loops) == 2  # forth and back
    assert made.in_loops(EXCHANGES) == made.in_loops(SPILLS) == 0
    assert made.in_loops(["MUFU"]) == 2 * 2 * PLAIN["BLOCK"] // 32


def test_the_gradient_keeps_its_stride_in_registers(code):
    from bench.registers import SPILLS

    made = code("backward", "sweep_gradient", STRIDE=3, **PLAIN)
    assert len(made.loops) == 4  # marks are left and gathered, forth and back
    assert made.in_loops(SPILLS) == 0


@pytest.mark.parametrize(
    "target", [("cuda", 75, 32), ("cuda", 120, 32), ("hip", "gfx942", 64)], ids=lambda x: str(x[1])
)
def test_it_compiles_for_other_gpus(target):
    from bench.registers import FORM, compiled
    from serpent_cli.ops.cross_scan.triton_forward import sweep

    made = compiled(sweep, {**FORM, **FLAGS, **PLAIN, "WRITE": True}, "bf16", target)
    assert made.asm["hsaco" if target[0] == "hip" else "cubin"]


@pytest.mark.parametrize(
    ("half", "sizes"),
    [("fp16", ()), ("fp32", ("height", "width", "D", "K", "segment", "segments"))],
)
def test_it_compiles_for_any_type_and_for_sizes_of_one(code, half, sizes):
    """Triton makes a constant of each size that is 1, which must serve where a number did."""
    form = {**ODD, **dict.fromkeys(sizes, 1), "SNAKE": True, "COLUMNS": half == "fp32"}
    more = {"slots": 1, "pictures": 1, "marks": 1} if sizes else {}
    for observe in (True, False):
        made = code("forward", "sweep", half, WRITE=True, **{**form, "OBSERVE": observe})
        assert made.registers > 0
    assert code("adjoint", "sweep_back", half, **form).registers > 0
    assert code("backward", "sweep_gradient", half, STRIDE=2, **form, **more).registers > 0


@pytest.mark.parametrize("sizes", [(), ("segments", "chunks", "D", "K", "backward")])
def test_what_passes_states_on_compiles(code, sizes):
    form = {"N": 3, "ROWS": 64, "BLOCK": 16, **dict.fromkeys(sizes, 1)}
    assert code("carry", "fold", **form).registers > 0
    assert code("carry", "carry", STARTED=not sizes, **form).registers > 0
