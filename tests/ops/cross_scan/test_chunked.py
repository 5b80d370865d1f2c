"""What only the chunk form can get wrong; parity with the reference is in test_api."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from serpent_cli.ops.cross_scan import chunk_recurrence, chunked
from serpent_cli.ops.cross_scan.operation import DEFAULT_PATHS as FOUR
from serpent_cli.ops.cross_scan.paths import PATHS


@pytest.fixture
def cut(monkeypatch):
    """Fix Q, the positions of a chunk, and how many chunks a group has."""

    def cut(steps: int, elements: int = 1 << 17) -> None:
        layout = chunked._Layout.of

        def of(order: str, height: int, width: int, reset: bool) -> chunked._Layout:
            return dataclasses.replace(layout(order, height, width, reset), steps=steps)

        monkeypatch.setattr(chunked._Layout, "of", of)
        monkeypatch.setattr(chunk_recurrence, "CPU_STEP", elements)

    return cut


@pytest.mark.parametrize("elements", [1, 40, 1 << 17])
@pytest.mark.parametrize("steps", [1, 2, 5, 9, 62, 63, 64, 100])
def test_any_cut_into_chunks_gives_the_same(cut, steps, elements, make_case, distance, tolerances):
    case = make_case(paths=("row", "col_rev", "row_snake_rev"))
    expected, expected_grads = case.with_gradients(case.inputs(), "reference")
    cut(steps, elements)
    y, grads = case.with_gradients(case.inputs(), "chunked")
    assert distance(y, expected) < tolerances[torch.float64].output
    for grad, truth in zip(grads, expected_grads, strict=True):
        assert distance(grad, truth) < tolerances[torch.float64].gradient


@pytest.mark.parametrize("steps", [1, 4, 7])
def test_lines_longer_than_a_chunk_pass_their_state_on_within_the_line_only(
    cut, steps, make_case, distance, tolerances
):
    case = make_case(paths=FOUR, reset=True)
    expected, expected_grads = case.with_gradients(case.inputs(), "reference")
    cut(steps)
    y, grads = case.with_gradients(case.inputs(), "chunked")
    assert distance(y, expected) < tolerances[torch.float64].output
    for grad, truth in zip(grads, expected_grads, strict=True):
        assert distance(grad, truth) < tolerances[torch.float64].gradient


@settings(max_examples=40)
@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    paths=st.lists(st.sampled_from(PATHS), min_size=1, max_size=4),
    reset=st.booleans(),
    states=st.integers(1, 3),
)
def test_any_size_and_any_paths(size, paths, reset, states, make_case, distance, tolerances):
    case = make_case(B=1, H=size[0], W=size[1], D=2, N=states, paths=tuple(paths), reset=reset)
    inputs = case.inputs(seed=7)
    y = case.run(inputs, "chunked")
    assert distance(y, case.run(inputs, "reference")) < tolerances[torch.float64].output


@pytest.mark.parametrize(("bias", "a_log"), [(30.0, 6.0), (-30.0, 0.0), (0.0, -20.0)])
def test_extreme_decay_stays_finite_and_right(bias, a_log, make_case, exact, distance, tolerances):
    case = make_case(B=1, H=12, W=12, N=2)
    inputs = list(case.inputs(torch.float32))
    inputs[3] = torch.full_like(inputs[3], bias)
    inputs[4] = torch.full_like(inputs[4], a_log)
    y, grads = case.with_gradients(tuple(inputs), "chunked")
    expected, expected_grads = case.with_gradients(exact(tuple(inputs)), "reference")
    assert distance(y, expected) < tolerances[torch.float32].output
    assert all(grad.isfinite().all() for grad in grads)
    for grad, truth in zip(grads[:2], expected_grads[:2], strict=True):
        assert distance(grad, truth) < tolerances[torch.float32].gradient


def test_what_is_not_finite_shows(make_case):
    case = make_case(B=1, paths=("row",))
    u, *others = case.inputs(torch.float32)
    u[0, 3, 4, 1] = torch.nan
    y = case.run((u, *others), "chunked")[0]
    poisoned = y.isnan().flatten(0, 1)
    visited = 3 * case.W + 4
    assert poisoned[visited:, 1].all()
    assert poisoned.sum() == len(poisoned) - visited


def test_backward_keeps_the_states_of_one_group_of_chunks_only(cut, make_case):
    case = make_case(B=1, H=32, W=32, D=8, N=4, paths=("row",))
    largest = 0
    real = torch.Tensor.new_empty

    def new_empty(self, *shape, **kwargs):
        nonlocal largest
        tensor = real(self, *shape, **kwargs)
        largest = max(largest, tensor.numel())
        return tensor

    cut(16, elements=8 * 4 * 4)  # groups of 4 chunks out of 64
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "new_empty", new_empty)
        case.with_gradients(case.inputs(), "chunked")
    assert largest <= 16 * 4 * 8 * 4
