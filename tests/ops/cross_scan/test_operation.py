"""Every backend against the reference in float64, and the op as torch sees it."""

import itertools

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from serpent_cli.errors import DeviceError
from serpent_cli.ops import flops
from serpent_cli.ops.backend import use_backend
from serpent_cli.ops.cross_scan import chunked, cross_scan, operation

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: str(dtype).removeprefix("torch."))
def test_parity_with_the_reference(backend, case, dtype, truth, distance, tolerances, refusal):
    if dtype == torch.float64 and backend == "native":
        assert "float64" in (refusal(backend, dtype) or "")
        return
    inputs, tolerance = case.inputs(dtype), tolerances[dtype]
    expected, expected_grads = truth(case, dtype)
    y, grads = case.with_gradients(inputs, backend)
    assert y.dtype == (torch.float32 if not case.observe and dtype != torch.float64 else dtype)
    assert distance(y, expected) < tolerance.output
    given = [x for x in inputs if x is not None]
    for x, grad, true_grad in zip(given, grads, expected_grads, strict=True):
        assert grad.dtype == x.dtype
        assert grad.shape == x.shape
        assert distance(grad, true_grad) < tolerance.gradient


def test_long_scans_in_fp32_do_not_drift(backend, make_case, truth, distance, tolerances):
    case = make_case(B=1, H=30, W=40, D=8, N=2)
    tolerance = tolerances[torch.float32]
    expected, expected_grads = truth(case, torch.float32)
    y, grads = case.with_gradients(case.inputs(torch.float32), backend)
    assert distance(y, expected) < tolerance.output
    assert max(map(distance, grads, expected_grads)) < tolerance.gradient


@pytest.mark.parametrize("path", ["row", "row_rev", "col", "col_rev"])
def test_a_scan_equals_its_split_scan(backend, path, make_case):
    """The second part is a scan of its own, plus what the first part's last state leaves there."""
    case = make_case(B=1, H=8, W=6, D=4, N=1, R=2, paths=(path,), observe=False)
    u, dbc, dt_weight, dt_bias, a_log, _ = case.inputs(torch.float32)
    axis, rev = 1 if path.startswith("row") else 2, path.endswith("_rev")

    def parts(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        first, second = x.split([3, x.shape[axis] - 3], dim=axis)
        return (second, first) if rev else (first, second)

    def scan(u: torch.Tensor, dbc: torch.Tensor) -> torch.Tensor:
        return case.run((u, dbc, dt_weight, dt_bias, a_log, None), backend)

    def sequence(x: torch.Tensor) -> torch.Tensor:
        lines = x if axis == 1 else x.transpose(1, 2)
        return lines.flatten(1, 2).flip(1) if rev else lines.flatten(1, 2)

    _, whole = parts(scan(u, dbc))
    (u1, u2), (dbc1, dbc2) = parts(u), parts(dbc)
    delta = torch.nn.functional.softplus(sequence(dbc2)[..., 0, :2] @ dt_weight[0] + dt_bias[0])
    left = torch.exp(-a_log[0, :, 0].exp() * delta.cumsum(1)) * sequence(scan(u1, dbc1))[:, -1:]
    torch.testing.assert_close(sequence(whole), sequence(scan(u2, dbc2)) + left)


@pytest.mark.parametrize(("u_type", "dbc_type"), [*itertools.permutations(DTYPES[1:], 2)])
def test_types_mix(backend, u_type, dbc_type, make_case, exact, distance, tolerances):
    case = make_case()
    u, dbc, *parameters = case.inputs(torch.float32)
    inputs = (u.to(u_type), dbc.to(dbc_type), *parameters)
    expected, expected_grads = case.with_gradients(exact(inputs), "reference")
    y, grads = case.with_gradients(inputs, backend, out_dtype=torch.float32)
    assert (y.dtype, grads[0].dtype, grads[1].dtype) == (torch.float32, u_type, dbc_type)
    assert distance(y, expected) < tolerances[torch.float32].output
    for grad, truth in zip(grads, expected_grads, strict=True):
        assert distance(grad, truth) < tolerances[grad.dtype].gradient


def test_autocast_does_not_reach_inside(backend, make_case):
    case = make_case()
    inputs = case.inputs(torch.float32)
    y, grads = case.with_gradients(inputs, backend)
    with torch.autocast("cpu", torch.bfloat16):
        casted, casted_grads = case.with_gradients(inputs, backend)
    assert torch.equal(y, casted)
    for grad, casted_grad in zip(grads, casted_grads, strict=True):
        assert torch.equal(grad, casted_grad)


def test_inputs_need_not_be_contiguous(backend, make_case):
    case = make_case()
    u, dbc, *parameters = case.inputs(torch.float32)
    strided = (
        u.transpose(1, 2).contiguous().transpose(1, 2),
        torch.cat([dbc, dbc], -1)[..., : dbc.shape[-1]],
        *(x.transpose(0, -1).contiguous().transpose(0, -1) for x in parameters),
    )
    assert not any(x.is_contiguous() for x in strided)
    expected, expected_grads = case.with_gradients((u, dbc, *parameters), backend)
    y, grads = case.with_gradients(strided, backend)
    assert y.equal(expected)
    assert all(map(torch.equal, grads, expected_grads))


def test_pictures_of_a_batch_do_not_meet(backend, make_case):
    case = make_case(B=3)
    u, dbc, *parameters = case.inputs(torch.float32)
    alone = [case.run((u[i : i + 1], dbc[i : i + 1], *parameters), backend) for i in range(3)]
    torch.testing.assert_close(case.run((u, dbc, *parameters), backend), torch.cat(alone))


def test_only_what_needs_gradients_gets_them(backend, make_case):
    case = make_case()
    inputs = case.inputs(torch.float32)
    inputs[2].requires_grad_()
    case.run(inputs, backend).sum().backward()
    assert inputs[2].grad is not None
    assert inputs[0].grad is None


@pytest.mark.parametrize("needed", [False, True])
def test_carries_are_kept_only_for_gradients(monkeypatch, needed, make_case):
    kept = []
    real = chunked.forward

    def forward(*args):
        kept.append(args[-1])
        return real(*args)

    monkeypatch.setattr(chunked, "forward", forward)
    case = make_case()
    inputs = case.inputs(torch.float32)
    inputs[0].requires_grad_(needed)
    case.run(inputs, "chunked")
    with torch.no_grad():
        case.run(inputs, "chunked")
    assert kept == [needed, False]


def test_backward_uses_the_backend_of_its_forward(monkeypatch, make_case):
    case = make_case()
    inputs = case.inputs(torch.float32)
    inputs[0].requires_grad_()
    with use_backend("chunked"):
        y = cross_scan(*inputs)
    used = []
    real = chunked.backward
    monkeypatch.setattr(chunked, "backward", lambda *args: used.append(1) or real(*args))
    with use_backend("reference"):
        y.sum().backward()
    assert used == [1]


@pytest.mark.parametrize(
    ("position", "shape", "message"),
    [
        (0, (7, 9, 5), r"expected u \(B, H, W, D\)"),
        (1, (2, 7, 9, 4, 7), r"expected dbc \(2, 7, 9, 4, 8\), received \(2, 7, 9, 4, 7\)"),
        (1, (2, 9, 7, 4, 8), r"expected dbc \(2, 7, 9, 4, 8\)"),
        (2, (3, 2, 5), r"expected dt_weight \(4, 2, 5\)|expected dbc"),
        (3, (4, 6), r"expected dt_bias \(4, 5\), received \(4, 6\)"),
        (4, (4, 6, 3), r"expected A_log \(4, 5, 3\)"),
        (5, (4, 1), r"expected D_skip \(4, 5\)"),
    ],
)
def test_wrong_shapes_are_refused_with_the_right_ones(position, shape, message, make_case):
    inputs = list(make_case().inputs(torch.float32))
    inputs[position] = torch.zeros(shape)
    with pytest.raises(ValueError, match=message):
        cross_scan(*inputs)


def test_other_mistakes_are_refused(make_case):
    inputs = list(make_case().inputs(torch.float32))
    with pytest.raises(ValueError, match="unknown scan path 'diagonal'"):
        cross_scan(*inputs, paths=("row", "col", "diagonal", "row"))
    with pytest.raises(ValueError, match="N = 1 and no D_skip"):
        cross_scan(*inputs, observe=False)
    with pytest.raises(ValueError, match="at least one picture"):
        cross_scan(inputs[0][:0], inputs[1][:0], *inputs[2:])
    with pytest.raises(ValueError, match=r"floating point on cpu, received torch\.int64"):
        cross_scan(*inputs[:3], inputs[3].long(), *inputs[4:])


def test_a_forced_backend_raises_its_reason_and_automatic_choice_falls_through(make_case, refusal):
    case = make_case()
    inputs = case.inputs(torch.float64)
    if refusal("native") is None:
        with pytest.raises(DeviceError, match=r"native cannot run: .*float64"):
            case.run(inputs, "native")
    with pytest.raises(DeviceError, match="no backend 'cuda'"):
        case.run(inputs, "cuda")
    with use_backend("chunked"):
        forced = cross_scan(*inputs)
    assert cross_scan(*inputs).equal(forced)


@pytest.mark.parametrize("observe", [True, False])
def test_torch_finds_the_op_in_order(backend, observe, make_case):
    case = make_case(B=1, H=3, W=4, N=1, paths=("row", "col_rev"), observe=observe)
    inputs = [None if x is None else x.requires_grad_() for x in case.inputs(torch.float32)]
    arguments = (*inputs, ",".join(case.paths), False, observe, torch.float32, backend, True)
    assert set(torch.library.opcheck(operation._scan, arguments).values()) == {"SUCCESS"}


def test_tracing_neither_breaks_nor_changes_anything(make_case):
    case = make_case(B=1, H=3, W=4)
    inputs = case.inputs(torch.float32)
    traced = torch.compile(case.run, backend="aot_eager", fullgraph=True)
    assert traced(inputs, "chunked").equal(case.run(inputs, "chunked"))


def test_flops_are_counted_by_the_formula(make_case):
    case = make_case(B=2, H=7, W=9, D=5, N=3, R=2)
    inputs = case.inputs(torch.float32)
    multiply_adds = 2 * 4 * 63 * 5 * (4.5 * 3 + 2)
    assert flops.scan_flops(2, 63, 5, 4, 3, 2) == 2 * multiply_adds
    with FlopCounterMode(display=False) as counter:
        case.run(inputs, "chunked")
    assert counter.get_total_flops() == 2 * multiply_adds
    inputs[0].requires_grad_()
    with FlopCounterMode(display=False) as counter:
        case.run(inputs, "chunked").sum().backward()
    assert counter.get_total_flops() == 2 * 4 * multiply_adds


@pytest.fixture
def set_threads():
    """set_threads(n), undone after the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("sizes", [{"B": 2, "D": 40}, {"B": 1, "D": 144, "N": 1}])
def test_results_depend_neither_on_the_run_nor_on_threads(backend, sizes, make_case, set_threads):
    case = make_case(H=24, W=24, **sizes)
    inputs = case.inputs(torch.float32)
    set_threads(1)
    y, grads = case.with_gradients(inputs, backend)
    for threads in (1, 2):
        set_threads(threads)
        again, again_grads = case.with_gradients(inputs, backend)
        assert again.equal(y)
        assert all(map(torch.equal, grads, again_grads))


def test_autograd_keeps_the_inputs_and_the_carries_only(backend, make_case):
    case = make_case(B=2, H=16, W=16, D=8, N=2)
    inputs = [x.requires_grad_() for x in case.inputs(torch.float32)]
    kept = []

    def keep(x: torch.Tensor) -> torch.Tensor:
        kept.append(x)
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        case.run(inputs, backend)
    addresses = {x.data_ptr() for x in inputs}
    carries = [x for x in kept if x.data_ptr() not in addresses]
    assert len(kept) - len(carries) == len(inputs)
    assert len(carries) == 1
    states = 2 * 16 * 16 * 8 * 2 * len(case.paths)
    assert 0 < carries[0].numel() <= states // 4
