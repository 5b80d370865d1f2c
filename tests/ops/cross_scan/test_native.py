"""What only the compiled kernel can get wrong; parity with the reference is in test_api."""

import ctypes
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from serpent_cli.errors import DeviceError
from serpent_cli.ops import library
from serpent_cli.ops.cross_scan import native
from serpent_cli.ops.cross_scan.scan_request import ScanOptions, ScanRequest

PARAMETERS = ("dt_weight", "dt_bias", "A_log", "D_skip")
REQUEST = ScanRequest(
    1, 8, 8, 8, 1, 1, 2, torch.float32, "cpu", ScanOptions(("row",), False, True, torch.float32)
)


@pytest.fixture
def built(refusal) -> None:
    """Skip where the program was installed without a compiler."""
    if reason := refusal("native"):
        assert "compiler" in reason
        pytest.skip(reason)


@pytest.fixture
def set_threads():
    """set_threads(n), undone after the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("states", [1, 2])
@pytest.mark.parametrize("length", [63, 64, 65, 128, 129])
def test_chunks_that_just_fit_and_just_do_not(
    length, states, make_case, truth, tolerances, distance
):
    case = make_case(B=1, H=1, W=length, D=5, N=states, paths=("row", "col_rev"))
    expected, expected_grads = truth(case, torch.float32)
    y, grads = case.with_gradients(case.inputs(torch.float32), "native")
    assert distance(y, expected) < tolerances[torch.float32].output
    assert max(map(distance, grads, expected_grads)) < tolerances[torch.float32].gradient


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("channels", [1, 3, 4, 8, 15, 16, 17, 31, 48, 63, 64, 65, 96, 144, 200])
def test_any_number_of_channels_is_a_sum_of_groups(
    channels, make_case, truth, tolerances, distance
):
    case = make_case(B=1, H=2, W=4, D=channels, N=2, paths=("row", "col"))
    expected, expected_grads = truth(case, torch.float32)
    y, grads = case.with_gradients(case.inputs(torch.float32), "native")
    assert distance(y, expected) < tolerances[torch.float32].output
    assert max(map(distance, grads, expected_grads)) < tolerances[torch.float32].gradient


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("bias", "a_log"),
    [
        (30.0, 6.0),
        (100.0, 4.0),
        (0.0, -20.0),
        (-7.0, 0.0),
        (-30.0, 0.0),
    ],
)
def test_its_own_exponentials_hold_at_the_extremes(
    bias, a_log, make_case, exact, tolerances, distance
):
    case = make_case(B=1, H=12, W=12, N=2)
    inputs = list(case.inputs(torch.float32))
    inputs[3] = torch.full_like(inputs[3], bias)
    inputs[4] = torch.full_like(inputs[4], a_log)
    y, grads = case.with_gradients(tuple(inputs), "native")
    expected, expected_grads = case.with_gradients(exact(tuple(inputs)), "reference")
    assert distance(y, expected) < tolerances[torch.float32].output
    assert all(grad.isfinite().all() for grad in grads)
    assert max(map(distance, grads[:2], expected_grads[:2])) < tolerances[torch.float32].gradient


@pytest.fixture
def sparse(tmp_path):
    """sparse(name, shape, dtype): a tensor in a file of holes, of which only what is touched is."""

    def make(name: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
        size = torch.Size(shape).numel()
        return torch.from_file(str(tmp_path / name), True, size, dtype=dtype).view(shape)

    return make


@pytest.mark.usefixtures("built")
def test_pictures_past_two_to_the_31_elements(sparse, make_case, truth, tolerances, distance):
    case = make_case(B=1, H=8, W=8, D=32, N=2, R=4)
    u, dbc, *parameters = case.inputs(torch.bfloat16)
    count = 2**31 // u.numel() + 2
    far = [sparse(str(i), (count, *x.shape[1:]), x.dtype) for i, x in enumerate((u, dbc))]
    assert all((x.numel() - x[-1].numel()) > 2**31 for x in far)
    far[0][-1], far[1][-1] = u[0], dbc[0]
    options = ScanOptions(case.paths, False, True, torch.float32)
    scan, kept = native._describe(*far, tuple(parameters), options)
    groups = native.library().cross_scan_groups(case.D, 0)
    outputs = {
        "y": sparse("y", far[0].shape),
        "carries": sparse("carries", (count, len(case.paths), 1, case.N, case.D)),
        "grad_y": sparse("grad_y", far[0].shape),
        "sum_u": sparse("sum_u", far[0].shape),
        "grad_dbc": sparse("grad_dbc", (count, groups, *dbc.shape[1:])),
    }
    for name, x in zip(PARAMETERS, parameters, strict=True):
        outputs[f"grad_{name}"] = sparse(name, (count, *x.shape))
    outputs["grad_y"][-1] = case.weights()[0]
    for name, x in outputs.items():
        setattr(scan, name, x.data_ptr())
    items = ((count - 1) * groups, count * groups)
    native.library().cross_scan_forward(ctypes.byref(scan), *items)
    native.library().cross_scan_backward(ctypes.byref(scan), *items)
    del kept
    expected, expected_grads = truth(case, torch.bfloat16)
    assert distance(outputs["y"][-1:], expected) < tolerances[torch.float32].output
    grads = [outputs["sum_u"][-1:], outputs["grad_dbc"][-1:].sum(1)]
    grads += [outputs[f"grad_{name}"][-1] for name in PARAMETERS]
    assert max(map(distance, grads, expected_grads)) < tolerances[torch.float32].gradient


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"device_type": "cuda"}, "CPU only"),
        ({"dtype": torch.float64}, "float64"),
        ({"N": 65}, "64 states"),
    ],
)
def test_it_says_what_it_cannot_serve(change, reason):
    assert native.why_not(REQUEST) is None
    assert reason in native.why_not(replace(REQUEST, **change))


@pytest.mark.usefixtures("built")
def test_a_wrong_self_test_keeps_it_from_running(monkeypatch):
    real = native.forward
    monkeypatch.setattr(native, "forward", lambda *args: (real(*args)[0] + 1, None))
    assert native.unavailable.__wrapped__() == "its self-test gave a wrong result"


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("channels", [16, 32, 64, 96, 100])
@pytest.mark.parametrize("states", [1, 2])
def test_threads_that_share_the_channels_of_one_picture_change_no_bit(
    channels, states, make_case, set_threads
):
    case = make_case(B=1, H=5, W=7, D=channels, N=states)
    inputs = case.inputs(torch.float32)
    made = []
    for threads in (1, 2, 3):
        set_threads(threads)
        made.append(case.run(inputs, "native"))
    assert all(y.equal(made[0]) for y in made)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("paths", [("row",), ("row", "col_rev", "col")])
def test_bf16_is_rounded_once_after_the_last_path(paths, make_case):
    case = make_case(D=37, paths=paths)
    inputs = case.inputs(torch.bfloat16)
    whole = case.run(inputs, "native", out_dtype=torch.float32)
    assert case.run(inputs, "native").equal(whole.bfloat16())


def test_without_the_kernel_the_pure_torch_one_serves(monkeypatch, make_case):
    monkeypatch.setattr(library, "library_path", lambda: None)
    with pytest.raises(OSError, match="without a C\\+\\+ compiler") as caught:
        library.library.__wrapped__()
    monkeypatch.setattr(native, "unavailable", lambda: str(caught.value))
    case = make_case()
    inputs = case.inputs(torch.float32)
    assert case.run(inputs, None).equal(case.run(inputs, "chunked"))
    with pytest.raises(DeviceError, match="native cannot run: the compiled kernel is missing"):
        case.run(inputs, "native")
