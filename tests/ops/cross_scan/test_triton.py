"""The Triton kernels: on a GPU where there is one, else by Triton's interpreter on the CPU.

The interpreter must be chosen before Triton loads, so it has a process of its own, which one test
here starts: `make test-triton`. Maps are small there, and cut into many segments.
"""

import importlib.util
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from serpent_cli.errors import DeviceError
from serpent_cli.ops.cross_scan import cross_scan, triton, triton_shape
from serpent_cli.ops.cross_scan.operation import DEFAULT_PATHS
from serpent_cli.ops.cross_scan.scan_request import ScanOptions, ScanRequest

OPTIONS = ScanOptions(DEFAULT_PATHS, False, True, torch.float32)
REQUEST = ScanRequest(1, 8, 8, 8, 4, 1, 2, torch.float32, "cuda", OPTIONS)
INSTALLED = importlib.util.find_spec("triton") is not None
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
RUNS = torch.cuda.is_available() or triton_shape.interpreted()
runs = pytest.mark.skipif(not RUNS, reason="needs a GPU, or Triton's interpreter: make test-triton")
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def fitted(case, dtype):
    """The case as the interpreter can finish it: few pixels, though still of several segments."""
    case = replace(case, N=min(case.N, triton.MOST_STATES))
    if not triton_shape.interpreted():
        return case
    height, width = (3, 4) if dtype == torch.float32 else (2, 4)
    return replace(
        case, B=1 if case.B == 2 else case.B, H=min(case.H, height), W=min(case.W, width)
    )


def check(case, dtype, truth, distance, tolerances, **options):
    inputs, tolerance = case.inputs(dtype), tolerances[dtype]
    expected, expected_grads = truth(case, dtype)
    y, grads = case.with_gradients(inputs, "triton", DEVICE, **options)
    assert y.dtype == (torch.float32 if not case.observe else dtype)
    assert distance(y, expected) < tolerance.output
    given = [x for x in inputs if x is not None]
    for x, grad, true_grad in zip(given, grads, expected_grads, strict=True):
        assert (grad.dtype, grad.shape) == (x.dtype, x.shape)
        assert distance(grad, true_grad) < tolerance.gradient


@runs
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: str(dtype).removeprefix("torch."))
def test_parity_with_the_reference(case, dtype, truth, distance, tolerances, cases):
    if triton_shape.interpreted() and dtype != torch.float32 and cases.index(case) % 4:
        pytest.skip("types differ in loads and stores only: every fourth case will do")
    check(fitted(case, dtype), dtype, truth, distance, tolerances)


@runs
@pytest.mark.parametrize("channels", [1, 31, 32, 33, 64, 65, 128, 130])
def test_any_number_of_channels_is_a_row_of_blocks(
    channels, make_case, truth, distance, tolerances
):
    case = make_case(B=1, H=2, W=4, D=channels, N=2, paths=("row", "col"))
    check(case, torch.float32, truth, distance, tolerances)


@runs
def test_carries_pass_over_many_segments(make_case, truth, distance, tolerances):
    case = make_case(B=1, H=5, W=7, D=3, N=2, R=1, paths=("row", "col_rev"))
    check(case, torch.float32, truth, distance, tolerances)


@runs
@pytest.mark.parametrize(("bias", "a_log"), [(30.0, 6.0), (100.0, 4.0), (0.0, -20.0), (-30.0, 0.0)])
def test_softplus_holds_at_the_extremes(bias, a_log, make_case, exact, distance, tolerances):
    case = make_case(B=1, H=2, W=4, N=2, paths=("row", "col_rev"))
    inputs = list(case.inputs(torch.float32))
    inputs[3], inputs[4] = torch.full_like(inputs[3], bias), torch.full_like(inputs[4], a_log)
    y, grads = case.with_gradients(tuple(inputs), "triton", DEVICE)
    expected, expected_grads = case.with_gradients(exact(tuple(inputs)), "reference")
    assert distance(y, expected) < tolerances[torch.float32].output
    assert all(grad.isfinite().all() for grad in grads)
    assert max(map(distance, grads[:2], expected_grads[:2])) < tolerances[torch.float32].gradient


@runs
def test_types_mix(make_case, exact, distance, tolerances):
    case = make_case(B=1, H=2, W=4)
    u, dbc, *parameters = case.inputs(torch.float32)
    inputs = (u.bfloat16(), dbc.half(), *parameters)
    expected, expected_grads = case.with_gradients(exact(inputs), "reference")
    y, grads = case.with_gradients(inputs, "triton", DEVICE, out_dtype=torch.float32)
    assert distance(y, expected) < tolerances[torch.float32].output
    for grad, true_grad in zip(grads, expected_grads, strict=True):
        assert distance(grad, true_grad) < tolerances[grad.dtype].gradient


@runs
def test_results_repeat(make_case):
    case = make_case(B=1, H=2, W=4)
    y, grads = case.with_gradients(case.inputs(torch.float32), "triton", DEVICE)
    again, again_grads = case.with_gradients(case.inputs(torch.float32), "triton", DEVICE)
    assert again.equal(y)
    assert all(map(torch.equal, grads, again_grads))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_map_of_64_megapixels(make_case, distance, tolerances):
    """More than 2^31 elements: the last lines' y must be those of a map of these lines alone."""
    case = make_case(B=1, H=8192, W=8192, D=64, N=1, R=1, paths=("row_rev",))
    g = torch.Generator("cuda").manual_seed(0)
    u = torch.randn(1, 8192, 8192, 64, generator=g, device="cuda", dtype=torch.bfloat16)
    dbc = torch.randn(1, 8192, 8192, 1, 3, generator=g, device="cuda", dtype=torch.bfloat16)
    parameters = [x.cuda() for x in case.inputs(torch.float32)[2:] if x is not None]
    with torch.no_grad():
        y = cross_scan(u, dbc, *parameters, paths=case.paths, backend="triton")[:, -2:].clone()
        tail = cross_scan(u[:, -2:], dbc[:, -2:], *parameters, paths=case.paths, backend="chunked")
    assert distance(y, tail) < tolerances[torch.bfloat16].output


@pytest.mark.skipif(not INSTALLED or RUNS, reason="needs Triton, and runs where it is not chosen")
def test_the_interpreter_agrees_with_the_reference(interpreted):
    """All of this file, in a process of its own, which conftest.py has begun."""
    code, output = interpreted
    assert code == 0, output[-4000:]
    assert " passed" in output


def test_the_usual_four_paths_take_two_sweeps():
    rows, columns = triton_shape.sweeps(DEFAULT_PATHS)
    assert (rows.forth, rows.back, rows.columns) == (0, 2, False)
    assert (columns.forth, columns.back, columns.columns) == (1, 3, True)


def test_every_path_is_in_one_sweep():
    paths = ("row", "row", "col_snake_rev", "row_rev", "row_snake", "col", "row_rev", "row_rev")
    found = triton_shape.sweeps(paths)
    ways = [k for each in found for k in (each.forth, each.back) if k is not None]
    assert sorted(ways) == list(range(len(paths)))
    for each in found:
        name = ("col" if each.columns else "row") + ("_snake" if each.snake else "")
        assert each.forth is None or paths[each.forth] == name
        assert each.back is None or paths[each.back] == f"{name}_rev"


@pytest.mark.parametrize(
    ("d", "n", "block"), [(128, 1, 128), (96, 1, 128), (64, 1, 64), (48, 1, 64), (32, 1, 32),
                          (160, 1, 64), (128, 4, 128), (128, 16, 64)],
)  # fmt: skip
def test_blocks_waste_few_channels(d, n, block):
    assert triton_shape.best_block(d, n) == block


@pytest.mark.skipif(triton_shape.interpreted(), reason="the interpreter's segments are short")
@pytest.mark.parametrize(
    ("length", "rows", "held", "segment"),
    [
        (512 * 512, 1, 0, 128),  # 2112 programs
        (512 * 512, 8, 0, 1008),
        (512 * 512, 1, 768, 32),  # what 2112 programs hold of 32 steps fills the cache
        (512 * 512, 1, 64, 128),  # of so little, the cache could hold more
        (512 * 512, 2112, 768, 512 * 512),  # as many sequences as programs: nothing to cut
        (1000, 1, 768, 16),
        (5, 1, 768, 5),
    ],
)
def test_segments_fill_the_gpu_and_stay_in_its_cache(length, rows, held, segment, monkeypatch):
    h200 = SimpleNamespace(multi_processor_count=132, L2_cache_size=50 * 2**20)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: h200)
    assert triton_shape.best_segment(length, rows, held, torch.device("cuda")) == segment


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"device_type": "mps"}, "NVIDIA and AMD"),
        ({"dtype": torch.float64}, "float64"),
        ({"N": 17}, "16 states"),
        ({"H": 2**16, "W": 2**15}, "2\\^31 pixels"),
    ],
)
def test_it_says_what_it_cannot_serve(change, reason):
    assert re.search(reason, triton.why_not(replace(REQUEST, **change)) or "")


@pytest.mark.skipif(RUNS, reason="it runs here")
def test_on_a_cpu_it_says_so(make_case):
    with pytest.raises(DeviceError, match="triton cannot run: it runs on NVIDIA and AMD GPUs only"):
        case = make_case()
        case.run(case.inputs(torch.float32), "triton")


def test_without_triton_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "comes with torch" in (triton.unavailable.__wrapped__() or "")
