"""The GPU kernels are compiled ahead of time, which needs no GPU: Triton's interpreter knows
nothing of types, threads, or sizes that become constants."""

import importlib
import importlib.util
import inspect

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="needs Triton, which is for Linux"
)

SIZES = (
    "height", "width", "D", "K", "forth", "back", "segment", "segments", "slots", "pictures",
    "marks", "steps", "chunks", "backward",
)  # fmt: skip
HALVES = ("u", "dbc", "y", "grad_y", "grad_u", "grad_dbc")
FORM = {
    "COLUMNS": False, "SNAKE": False, "FORTH": True, "BACK": True, "OBSERVE": True, "WHOLE": True,
    "EXACT": False, "SKIP": True, "CARRIED": True, "ADD": False, "FINAL": True,
}  # fmt: skip
PLAIN = {"R": 4, "N": 1, "NP": 1, "BLOCK": 128}
ODD = {"R": 1, "N": 3, "NP": 4, "BLOCK": 32, "WHOLE": False, "EXACT": True}
HOPPER = ("cuda", 90, 32)  # backend, compute capability · 10, threads of a warp
TURING, BLACKWELL, INSTINCT = ("cuda", 75, 32), ("cuda", 120, 32), ("hip", "gfx942", 64)


def compiles(module, name, half="bf16", target=HOPPER, **constants):
    """Whether Triton makes machine code for a GPU of the kernel `name` of a module.

    `constants` are compile-time arguments, and others that Triton takes for such: those of 1.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    path = f"serpent_cli.ops.cross_scan.triton_{module}"
    kernel = getattr(importlib.import_module(path), name)
    form = {key: value for key, value in FORM.items() if key in kernel.arg_names}
    constants = {**form, **constants}
    signature, attributes = {}, {}
    for i, argument in enumerate(inspect.signature(kernel.fn).parameters):
        if argument in constants:
            signature[argument] = "constexpr"
            continue
        size = argument in SIZES
        signature[argument] = "i32" if size else f"*{half}" if argument in HALVES else "*fp32"
        if not size or argument == "D":
            attributes[(i,)] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, attributes)
    made = triton.compile(source, GPUTarget(*target), {"num_warps": 1, "enable_fp_fusion": True})
    return len(made.asm["hsaco" if target[0] == "hip" else "cubin"]) > 0


@pytest.mark.parametrize(
    "target", [TURING, HOPPER, BLACKWELL, INSTINCT], ids=lambda target: str(target[1])
)
def test_it_compiles_for_these_gpus(target):
    assert compiles("forward", "sweep", target=target, WRITE=True, **PLAIN)


def test_a_summary_and_a_gradient_compile():
    assert compiles("forward", "sweep", WRITE=False, **PLAIN)
    assert compiles("backward", "sweep_gradient", STRIDE=3, **PLAIN)


@pytest.mark.parametrize(
    ("half", "sizes"),
    [("fp16", ()), ("fp32", ("height", "width", "D", "K", "segment", "segments"))],
)
def test_it_compiles_for_any_type_and_for_sizes_of_one(half, sizes):
    """Triton makes a constant of each size that is 1, which must serve where a number did."""
    form = {**ODD, **dict.fromkeys(sizes, 1), "SNAKE": True, "COLUMNS": half == "fp32"}
    more = {"slots": 1, "pictures": 1, "marks": 1} if sizes else {}
    for observe in (True, False):
        assert compiles("forward", "sweep", half, WRITE=True, **{**form, "OBSERVE": observe})
    assert compiles("adjoint", "sweep_back", half, **form)
    assert compiles("backward", "sweep_gradient", half, STRIDE=2, **form, **more)


@pytest.mark.parametrize("sizes", [(), ("segments", "chunks", "D", "K", "backward")])
def test_what_passes_states_on_compiles(sizes):
    form = {"N": 3, "ROWS": 64, "BLOCK": 16, **dict.fromkeys(sizes, 1)}
    assert compiles("carry", "fold", **form)
    assert compiles("carry", "carry", STARTED=not sizes, **form)
