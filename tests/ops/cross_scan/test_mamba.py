"""The backend that calls mamba-ssm, which needs a GPU and a compiler: here a stand-in answers.

It is written from mamba-ssm's published contract, and refuses whatever the contract does not allow.
"""

import importlib.machinery
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from serpent_cli.ops.backend import choose, table
from serpent_cli.ops.cross_scan import BACKENDS, mamba, triton
from serpent_cli.ops.cross_scan.operation import DEFAULT_PATHS
from serpent_cli.ops.cross_scan.scan_request import ScanOptions, ScanRequest

OPTIONS = ScanOptions(DEFAULT_PATHS, False, True, torch.float32)
REQUEST = ScanRequest(1, 8, 8, 8, 4, 1, 2, torch.float32, "cuda", OPTIONS)
MANY_LINES = {"B": 1024, "H": 1024, "D": 256, "options": replace(OPTIONS, reset=True)}
SHORT = (torch.bfloat16, torch.float16)


def loop(u, delta, A, B, C, D, delta_bias):
    """The recurrence in the float type of A; y in δ's type."""
    kind, (batch, channels, length) = A.dtype, u.shape

    def for_channels(x: Tensor) -> Tensor:
        if x.ndim == 2:
            return x[None, :, :, None].expand(batch, -1, -1, length)
        return x.to(kind).repeat_interleave(channels // x.shape[1], 1)

    u, step = u.to(kind), functional.softplus(delta.to(kind) + delta_bias[:, None])
    decay = torch.exp(step[:, :, None] * A[:, :, None])
    change = (step * u)[:, :, None] * for_channels(B)
    h, states = torch.zeros_like(change[..., 0]), []
    for each_decay, each_change in zip(decay.unbind(-1), change.unbind(-1), strict=True):
        h = each_decay * h + each_change
        states.append(h)
    y = (torch.stack(states, -1) * for_channels(C)).sum(2)
    return (y if D is None else y + D[:, None] * u).to(delta.dtype)


def check_contract(u, delta, A, B, C, D, delta_bias):
    batch, channels, length = u.shape
    assert u.dtype in (torch.float32, *SHORT)
    assert (delta.dtype, delta.shape) == (u.dtype, u.shape)
    assert A.shape[0] == channels
    assert A.shape[1] <= 256
    for x in (A, delta_bias, *([] if D is None else [D])):
        assert x.dtype == torch.float32
    assert delta_bias.shape == (channels,)
    assert D is None or D.shape == (channels,)
    for x in (B, C):
        if x.ndim == 2:  # the same everywhere
            assert (x.dtype, x.shape) == (A.dtype, A.shape)
        else:
            groups = x.shape[1]
            assert (x.dtype, x.shape) == (u.dtype, (batch, groups, A.shape[1], length))
            assert channels % groups == 0
            assert B.ndim == 2 or groups == B.shape[1]


class SelectiveScan(torch.autograd.Function):
    """Like theirs a function that autograd takes as a whole."""

    calls = 0

    @staticmethod
    def forward(ctx, *arguments):
        check_contract(*arguments)
        SelectiveScan.calls += 1
        ctx.save_for_backward(*arguments)
        return loop(*arguments)

    @staticmethod
    def backward(ctx, grad):
        arguments = ctx.saved_tensors
        assert grad.dtype == arguments[0].dtype

        def walk() -> tuple[Tensor, ...]:
            leaves = [None if x is None else x.detach().requires_grad_() for x in arguments]
            given = [x for x in leaves if x is not None]
            found = iter(torch.autograd.grad(loop(*leaves), given, grad))
            return tuple(None if x is None else next(found) for x in leaves)

        with ThreadPoolExecutor(1) as other:  # inside a custom op this one records no operations
            return other.submit(walk).result()


def stand_in(
    u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False,
    return_last_state=False,
):  # fmt: skip
    assert z is None
    assert delta_softplus
    assert not return_last_state
    return SelectiveScan.apply(u, delta, A, B, C, D, delta_bias)


@pytest.fixture
def install(monkeypatch):
    """install(function): a mamba_ssm whose `selective_scan_fn` it is."""

    def install(function) -> None:
        for name in ("mamba_ssm", "mamba_ssm.ops", "mamba_ssm.ops.selective_scan_interface"):
            module = ModuleType(name)
            module.__spec__ = importlib.machinery.ModuleSpec(name, None)
            monkeypatch.setitem(sys.modules, name, module)
        module.selective_scan_fn = function

    return install


@pytest.fixture
def installed(install, monkeypatch):
    install(stand_in)
    monkeypatch.setattr(mamba, "why_not", lambda request: None)


@pytest.mark.usefixtures("installed")
def test_parity_with_the_reference(case, truth, distance, tolerances):
    inputs, tolerance = case.inputs(torch.float32), tolerances[torch.float32]
    expected, expected_grads = truth(case, torch.float32)
    y, grads = case.with_gradients(inputs, "mamba")
    assert y.dtype == torch.float32
    assert distance(y, expected) < tolerance.output
    given = [x for x in inputs if x is not None]
    for x, grad, true_grad in zip(given, grads, expected_grads, strict=True):
        assert (grad.dtype, grad.shape) == (x.dtype, x.shape)
        assert distance(grad, true_grad) < tolerance.gradient


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("dtype", SHORT)
@pytest.mark.parametrize("reset", [False, True])
def test_short_types_with_a_result_in_fp32_are_computed_in_fp32(
    dtype, reset, make_case, truth, distance, tolerances
):
    """As the networks ask for under autocast, which must not reach inside."""
    case = make_case(reset=reset)
    expected, expected_grads = truth(case, dtype)
    with torch.autocast("cpu", torch.bfloat16):
        y, grads = case.with_gradients(case.inputs(dtype), "mamba", out_dtype=torch.float32)
    assert distance(y, expected) < tolerances[torch.float32].output
    for grad, true_grad in zip(grads, expected_grads, strict=True):
        assert distance(grad, true_grad) < tolerances[grad.dtype].gradient


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("dtype", "bound"), [(torch.bfloat16, 3e-2), (torch.float16, 3e-3)])
def test_all_in_a_short_type_is_as_near_as_their_own_tests_ask(
    dtype, bound, make_case, truth, distance
):
    case = make_case(H=16, W=16, N=16)
    expected, expected_grads = truth(case, dtype)
    y, grads = case.with_gradients(case.inputs(dtype), "mamba")
    assert y.dtype == dtype
    assert distance(y, expected) < bound
    assert max(map(distance, grads, expected_grads)) < bound


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("reset", "calls"), [(False, 1), (True, 2)])
def test_paths_with_lines_of_one_length_share_a_call(reset, calls, make_case, monkeypatch):
    monkeypatch.setattr(SelectiveScan, "calls", 0)
    case = make_case(H=3, W=4, reset=reset)
    case.run(case.inputs(torch.float32), "mamba")
    assert SelectiveScan.calls == calls


@pytest.mark.usefixtures("installed")
def test_autograd_keeps_the_inputs_only(make_case):
    inputs = [x.requires_grad_() for x in make_case().inputs(torch.float32)]
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        make_case().run(inputs, "mamba")
    assert {x.data_ptr() for x in kept if x.numel()} == {x.data_ptr() for x in inputs}


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("observe", [True, False])
def test_evaluate_by_plain_autograd_is_the_same(observe, make_case):
    """Two ways back through theirs: the op's, and autograd's own, for comparisons of time."""
    case = make_case(H=3, W=4, N=1, observe=observe)
    inputs = case.inputs(torch.float32)
    y, grads = case.with_gradients(inputs, "mamba")
    leaves = [x if x is None else x.clone().requires_grad_() for x in inputs]
    plain = mamba.evaluate(*leaves, replace(OPTIONS, observe=observe))
    assert plain.detach().equal(y)
    plain.backward(case.weights().float())
    for leaf, grad in zip([x for x in leaves if x is not None], grads, strict=True):
        torch.testing.assert_close(leaf.grad, grad)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"device_type": "cpu"}, "it needs an NVIDIA GPU"),
        ({"device_type": "mps"}, "it needs an NVIDIA GPU"),
        ({"dtype": torch.float64}, "it does not compute in torch.float64"),
        ({"N": 257}, "at most 256 states"),
        ({**MANY_LINES, "N": 4}, "2^31 states"),
    ],
)
def test_it_says_what_it_cannot_serve(change, reason, monkeypatch):
    monkeypatch.setattr(mamba, "unavailable", lambda: None)
    assert mamba.why_not(REQUEST) is None
    assert mamba.why_not(replace(REQUEST, **MANY_LINES, N=3)) is None
    assert reason in (mamba.why_not(replace(REQUEST, **change)) or "")


def missing(*_: object, **__: object) -> Tensor:
    raise ImportError("libcudart.so.13: cannot open\nshared object file")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (stand_in, None),
        (missing, "its self-test failed: ImportError: libcudart.so.13: cannot open"),
        (lambda u, delta: u, "its self-test failed: TypeError: "),
        (lambda *args, **named: stand_in(*args, **named) * 1.01, "a wrong result"),
        (lambda *args, **named: stand_in(*args, **named) * torch.nan, "a wrong result"),
    ],
)
def test_the_probe_runs_a_scan(function, reason, install):
    install(function)
    found = mamba.unavailable.__wrapped__("cpu")
    assert found is None if reason is None else reason in (found or "")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mamba_ssm", "mamba-ssm is not installed"),
        ("mamba_ssm.ops.selective_scan_interface", "its self-test failed: ModuleNotFoundError"),
    ],
)
def test_a_package_that_is_not_there_or_not_whole(name, reason, install, monkeypatch):
    install(stand_in)
    monkeypatch.delitem(sys.modules, name)
    assert reason in (mamba.unavailable.__wrapped__("cpu") or "")


@pytest.mark.parametrize(
    ("broken", "chosen"), [((), "triton"), (("triton",), "mamba"), (("triton", "mamba"), "chunked")]
)
def test_on_a_gpu_it_is_chosen_after_triton_and_before_chunked(broken, chosen, monkeypatch):
    for name, module in (("triton", triton), ("mamba", mamba)):
        reason = "broken" if name in broken else None
        monkeypatch.setattr(module, "unavailable", lambda reason=reason: reason)
    assert choose(BACKENDS, REQUEST).name == chosen
    order = [name for name, _ in table(BACKENDS, REQUEST)]
    assert order.index("triton") < order.index("mamba") < order.index("chunked")
