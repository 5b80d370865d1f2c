"""The compiled passes against torch's own operations in float64, and as torch sees them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from serpent_cli.ops import library, passes, threads
from serpent_cli.ops.backend import use_backend
from serpent_cli.ops.cross_scan import native

SHAPES = (
    (1, 1, 1, 3), (2, 3, 5, 7), (1, 5, 3, 16), (3, 7, 9, 33), (1, 40, 31, 64), (2, 8, 8, 100),
    (1, 2, 1, 48), (1, 1, 6, 384), (1, 6, 2, 17),
)  # fmt: skip
# Largest error over the largest value; inputs are rounded to the type first.
TOLERANCES = {torch.float32: 2e-6, torch.bfloat16: 4e-3}
Function = Callable[..., Tensor]


@pytest.fixture(autouse=True)
def poisoned_memory():
    """Fill new tensors with NaN: an output that is never written cannot pass."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(autouse=True)
def built() -> None:
    """Skip where the program was installed without a compiler."""
    if reason := native.unavailable():
        assert "compiler" in reason
        pytest.skip(reason)


@pytest.fixture
def set_threads():
    """set_threads(n), undone after the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def norm_inputs(shape: tuple[int, ...], dtype: torch.dtype, gated: bool) -> list[Tensor | None]:
    c = shape[-1]
    gate = (2 * normal(*shape, seed=3)).to(dtype) if gated else None
    weight, bias = 1 + 0.3 * normal(c, seed=1), 0.3 * normal(c, seed=2)
    return [(2 * normal(*shape) + 0.5).to(dtype), weight.float(), bias.float(), gate]


def conv_inputs(shape: tuple[int, ...], dtype: torch.dtype) -> list[Tensor | None]:
    d = shape[-1]
    kernel, bias = 0.4 * normal(d, 1, 3, 3, seed=1), 0.3 * normal(d, seed=2)
    return [(2 * normal(*shape)).to(dtype), kernel.float(), bias.float()]


def with_gradients(function: Function, inputs: list[Tensor | None]) -> list[Tensor]:
    leaves = [None if x is None else x.detach().clone().requires_grad_() for x in inputs]
    y = function(*leaves)
    y.backward(normal(*y.shape, seed=9).bfloat16().to(y.dtype))
    return [y.detach(), *(x.grad for x in leaves if x is not None and x.grad is not None)]


def worst(function: Function, exact: Function, inputs: list[Tensor | None]) -> float:
    found = with_gradients(function, inputs)
    expected = with_gradients(exact, [None if x is None else x.double() for x in inputs])
    assert [x.shape for x in found] == [x.shape for x in expected]
    return max(
        float((a.double() - b).abs().max() / b.abs().max().clamp_min(1e-30))
        for a, b in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_norm_agrees_with_torch_in_float64(shape, gated, dtype):
    def exact(x: Tensor, weight: Tensor, bias: Tensor, gate: Tensor | None) -> Tensor:
        return passes.norm_by_torch(x, weight, bias, gate, 1e-5)

    inputs = norm_inputs(shape, dtype, gated)
    assert worst(passes.gated_norm, exact, inputs) < TOLERANCES[dtype]


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_convolution_agrees_with_torch_in_float64(shape, dtype):
    inputs = conv_inputs(shape, dtype)
    tolerance = TOLERANCES[dtype]
    assert worst(passes.depthwise_silu, passes.depthwise_by_torch, inputs) < tolerance


def test_gradients_are_those_of_the_definition():
    """The reference that the others are compared with, against differences."""
    norm = [
        None if x is None else x.double() for x in norm_inputs((1, 2, 3, 5), torch.float32, True)
    ]
    conv = [x.double() for x in conv_inputs((1, 3, 4, 2), torch.float32) if x is not None]
    for x in (*norm, *conv):
        assert x is not None
        x.requires_grad_()
    assert torch.autograd.gradcheck(passes.gated_norm, norm)
    assert torch.autograd.gradcheck(passes.depthwise_silu, conv)


def test_the_kernel_is_what_runs(monkeypatch):
    ran = []
    real = passes.drive
    monkeypatch.setattr(passes, "drive", lambda *args: ran.append(1) or real(*args))
    with_gradients(passes.gated_norm, norm_inputs((1, 4, 4, 8), torch.float32, True))
    with_gradients(passes.depthwise_silu, conv_inputs((1, 4, 4, 8), torch.bfloat16))
    assert len(ran) == 4
    with use_backend("chunked"):
        with_gradients(passes.gated_norm, norm_inputs((1, 4, 4, 8), torch.float32, True))
    assert len(ran) == 4


def test_they_are_built_for_the_instruction_set_that_the_scan_runs_on():
    kernels = library.library()
    channels = {b"AVX-512": 32, b"AVX2": 8, b"baseline": 4}
    assert kernels.depthwise_group() == channels[kernels.cross_scan_instruction_set()]


def test_it_may_overwrite_its_input_where_no_gradient_will_ask_for_it():
    x, weight, bias, gate = norm_inputs((1, 5, 7, 40), torch.float32, True)
    expected = passes.gated_norm(x, weight, bias, gate)
    kept = x.clone()
    assert passes.gated_norm(
        kept.requires_grad_(), weight, bias, gate, overwrite=True
    ).requires_grad
    assert torch.equal(kept, x)
    with torch.no_grad():
        over = passes.gated_norm(kept, weight, bias, gate, overwrite=True)
    assert over.data_ptr() == kept.data_ptr()
    assert torch.equal(over, expected)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_neither_threads_nor_neighbours_change_a_bit(dtype, set_threads, monkeypatch):
    monkeypatch.setattr(threads, "WORTH_A_THREAD", 1)
    rows = (
        2 * library.library().norm_rows() // 40 + 3
    )  # several work items, and a block that is not full
    norm, conv = norm_inputs((1, rows, 40, 24), dtype, True), conv_inputs((2, 9, 7, 83), dtype)
    set_threads(1)
    alone = with_gradients(passes.gated_norm, norm), with_gradients(passes.depthwise_silu, conv)
    set_threads(2)
    shared = with_gradients(passes.gated_norm, norm), with_gradients(passes.depthwise_silu, conv)
    assert all(map(torch.equal, alone[0] + alone[1], shared[0] + shared[1]))
    x, weight, bias, gate = norm
    for at in (0, 1, 2, 3, 41):
        row = slice(at, at + 1)
        one = passes.gated_norm(x.flatten(0, 2)[row], weight, bias, gate.flatten(0, 2)[row])
        assert torch.equal(one[0], alone[0][0].flatten(0, 2)[at])
    x, kernel, bias = conv
    assert torch.equal(passes.depthwise_silu(x[1:], kernel, bias), alone[1][0][1:])


@pytest.mark.parametrize("value", [1e4, -1e4, 100.0, -100.0])
def test_large_gates_neither_overflow_nor_vanish(value):
    x, weight, bias, _ = norm_inputs((1, 2, 3, 20), torch.float32, False)
    gate = torch.full_like(x, value)
    plain = passes.gated_norm(x, weight, bias)
    torch.testing.assert_close(passes.gated_norm(x, weight, bias, gate), plain * max(value, 0.0))


def test_nan_and_infinity_pass_through():
    for bad in (torch.nan, torch.inf):
        for dtype in TOLERANCES:
            x, weight, bias, gate = norm_inputs((1, 2, 3, 20), dtype, True)
            x[0, 1, 1, 7] = bad
            y = passes.gated_norm(x, weight, bias, gate)
            assert y[0, 1, 1].isnan().all()
            assert y[0, 0].isfinite().all()
            x, kernel, bias = conv_inputs((1, 5, 5, 20), dtype)
            x[0, 2, 2, 7] = bad
            y = passes.depthwise_silu(x, kernel, bias)
            assert not y[0, 1:4, 1:4, 7].isfinite().all()
            y[0, 1:4, 1:4, 7] = 0
            assert y.isfinite().all()


def test_autocast_decides_the_type_of_the_result():
    inputs = norm_inputs((1, 3, 4, 12), torch.float32, True)
    with torch.autocast("cpu", torch.bfloat16):
        y, z = (
            passes.gated_norm(*inputs),
            passes.depthwise_silu(*conv_inputs((1, 3, 4, 12), torch.float32)),
        )
    assert (y.dtype, z.dtype) == (torch.bfloat16, torch.bfloat16)
    assert passes.gated_norm(*inputs).dtype == torch.float32


def test_torch_finds_the_operations_in_order():
    norm = [
        x.requires_grad_() for x in norm_inputs((1, 3, 4, 12), torch.float32, True) if x is not None
    ]
    conv = [x.requires_grad_() for x in conv_inputs((1, 3, 4, 12), torch.float32) if x is not None]
    for op, arguments in (
        (passes._norm, (*norm, 1e-5)),
        (passes._norm, (*norm[:3], None, 1e-5)),
        (passes._depthwise, tuple(conv)),
    ):
        assert set(torch.library.opcheck(op, arguments).values()) == {"SUCCESS"}
    plain = tuple(x.detach() for x in norm)
    tests = ("test_schema", "test_faketensor")
    found = torch.library.opcheck(passes._norm_over, (*plain, 1e-5), test_utils=tests)
    assert set(found.values()) == {"SUCCESS"}
