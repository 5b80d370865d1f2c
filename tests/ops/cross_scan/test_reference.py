"""The reference against oracles that share no line with it: SciPy's filter, a matrix, numbers."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.signal
import torch
from numpy.typing import NDArray

from serpent_cli.ops.cross_scan.paths import PATHS

ORDERS = {
    "row": lambda i: i.ravel(),
    "col": lambda i: i.ravel(order="F"),
    "row_snake": lambda i: np.concatenate([row[:: 1 - 2 * (n % 2)] for n, row in enumerate(i)]),
    "col_snake": lambda i: np.concatenate([col[:: 1 - 2 * (n % 2)] for n, col in enumerate(i.T)]),
}


def order(path: str, height: int, width: int) -> NDArray[np.int64]:
    """Indices of the pixels in path order, by NumPy alone."""
    indices = ORDERS[path.removesuffix("_rev")](np.arange(height * width).reshape(height, width))
    return indices[::-1] if path.endswith("_rev") else indices


@pytest.mark.parametrize("path", PATHS)
def test_constant_parameters_make_scipys_filter(path, make_case):
    case = make_case(B=1, H=6, W=5, D=4, N=1, R=1, paths=(path,), skip=False)
    u, dbc, dt_weight, dt_bias, a_log, _ = case.inputs()
    dt_weight.zero_()
    dbc[..., 1], dbc[..., 2] = 0.7, -1.3
    y = case.run((u, dbc, dt_weight, dt_bias, a_log, None), "reference")
    visited = order(path, 6, 5)
    expected = np.empty((30, 4))
    for d in range(4):
        delta = np.logaddexp(0, dt_bias[0, d].item())
        decay = np.exp(-delta * np.exp(a_log[0, d, 0].item()))
        x = u.numpy().reshape(30, 4)[visited, d]
        expected[visited, d] = -1.3 * scipy.signal.lfilter([delta * 0.7], [1, -decay], x)
    np.testing.assert_allclose(y.numpy().reshape(30, 4), expected, rtol=1e-12, atol=1e-14)


def matrix_scan(case, inputs, k: int) -> NDArray[np.float64]:
    """Path k of picture 0 as one lower triangular matrix per channel and state, (L, D)."""
    u, dbc, dt_weight, dt_bias, a_log, skip = (x if x is None else x.numpy() for x in inputs)
    visited = order(case.paths[k], case.H, case.W)
    x, features = u[0].reshape(-1, case.D)[visited], dbc[0, :, :, k].reshape(-1, dbc.shape[-1])
    r, b, c = np.split(features[visited], [case.R, case.R + case.N], axis=1)
    delta = np.logaddexp(0, r @ dt_weight[k] + dt_bias[k])
    total = delta.cumsum(0)
    line = {"row": case.W, "col": case.H}[case.paths[k][:3]] if case.reset else len(visited)
    number = np.arange(len(visited)) // line
    same = (number[:, None] == number) & np.tri(len(visited), dtype=bool)
    y = np.empty_like(x)
    for d in range(case.D):
        reach = np.zeros(same.shape)
        for n in range(case.N):
            fade = np.exp(-np.exp(a_log[k, d, n]) * (total[:, None, d] - total[None, :, d]) * same)
            reach += same * fade * (c[:, n, None] * b[None, :, n])
        y[visited, d] = reach @ (delta[:, d] * x[:, d]) + skip[k, d] * x[:, d]
    return y


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("paths", [PATHS[:4], PATHS[4:], ("col",), ("row", "row_rev")])
def test_the_scan_is_a_sum_of_triangular_matrices(paths, reset, make_case):
    case = make_case(B=1, H=5, W=6, D=3, N=2, R=2, paths=paths, reset=reset)
    inputs = case.inputs()
    expected = sum(matrix_scan(case, inputs, k) for k in range(len(paths)))
    y = case.run(inputs, "reference")
    np.testing.assert_allclose(y[0].reshape(30, 3).numpy(), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("reset", [False, True])
def test_gradients_are_finite_differences(reset, make_case):
    case = make_case(B=1, H=2, W=3, D=2, N=2, R=1, reset=reset, paths=("row", "col_snake_rev"))
    leaves = [x.requires_grad_() for x in case.inputs() if x is not None]
    assert torch.autograd.gradcheck(lambda *x: case.run(x, "reference"), leaves)


def test_an_observer_of_ones_reads_the_state(make_case):
    case = make_case(N=1, skip=False)
    u, dbc, *parameters = case.inputs()
    dbc[..., -1] = 1
    y = case.run((u, dbc, *parameters), "reference")
    state = replace(case, observe=False).run((u, dbc[..., :-1], *parameters), "reference")
    torch.testing.assert_close(state, y, rtol=1e-13, atol=1e-13)


def test_paths_add_up(make_case):
    case = make_case(paths=("row", "col_rev"))
    u, dbc, *parameters = case.inputs()
    parts = [
        replace(case, paths=(path,)).run(
            (u, dbc[..., k : k + 1, :], *(x[k : k + 1] for x in parameters)), "reference"
        )
        for k, path in enumerate(case.paths)
    ]
    torch.testing.assert_close(case.run((u, dbc, *parameters), "reference"), parts[0] + parts[1])


def test_it_computes_short_floats_in_fp32_and_gives_what_is_asked_for(make_case):
    case = make_case()
    short = case.inputs(torch.bfloat16)
    y = case.run(short, "reference")
    assert y.dtype == torch.bfloat16
    full = tuple(x.float() for x in short)
    assert case.run(short, "reference", out_dtype=torch.float32).equal(case.run(full, "reference"))
