import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from serpent_cli.ops.cross_scan.paths import PATHS, from_sequence, line_length, to_sequence

sizes = st.integers(1, 9)
ORDERS = {  # of the map [[0, 1, 2], [3, 4, 5]], written by hand
    "row": [0, 1, 2, 3, 4, 5],
    "col": [0, 3, 1, 4, 2, 5],
    "row_snake": [0, 1, 2, 5, 4, 3],
    "col_snake": [0, 3, 4, 1, 2, 5],
    "row_rev": [5, 4, 3, 2, 1, 0],
    "col_rev": [5, 2, 4, 1, 3, 0],
    "row_snake_rev": [3, 4, 5, 2, 1, 0],
    "col_snake_rev": [5, 2, 1, 4, 3, 0],
}


def pixels(height: int, width: int) -> torch.Tensor:
    """Each pixel's row and column, (1, H, W, 2)."""
    return torch.stack(
        torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"), -1
    )[None]


def test_every_path_has_its_order_written_down():
    assert set(ORDERS) == set(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_orders_by_hand(path):
    assert to_sequence(torch.arange(6).view(1, 2, 3), path).tolist() == [ORDERS[path]]


@given(st.sampled_from(PATHS), sizes, sizes, st.integers(1, 2))
def test_to_and_from_are_inverse(path, height, width, batch):
    x = torch.arange(batch * height * width * 3).view(batch, height, width, 3)
    sequence = to_sequence(x, path)
    assert sequence.shape == (batch, height * width, 3)
    assert from_sequence(sequence, path, height, width).equal(x)
    assert to_sequence(from_sequence(sequence, path, height, width), path).equal(sequence)


@given(st.sampled_from(PATHS), sizes, sizes)
def test_from_sequence_is_the_adjoint_of_to_sequence(path, height, width):
    g = torch.Generator().manual_seed(height * 16 + width)
    x = torch.randint(-9, 10, (1, height, width, 2), generator=g)
    s = torch.randint(-9, 10, (1, height * width, 2), generator=g)
    assert (to_sequence(x, path) * s).sum() == (x * from_sequence(s, path, height, width)).sum()


@given(st.sampled_from([path for path in PATHS if path.endswith("_rev")]), sizes, sizes)
def test_rev_is_the_exact_reversal(path, height, width):
    x = pixels(height, width)
    forward = to_sequence(x, path.removesuffix("_rev"))
    assert to_sequence(x, path).equal(forward.flip(1))


@given(st.sampled_from([path for path in PATHS if "snake" in path]), sizes, sizes)
def test_snakes_move_to_neighbours_only(path, height, width):
    moves = to_sequence(pixels(height, width), path)[0].diff(dim=0).abs().sum(-1)
    assert (moves == 1).all()


@given(st.sampled_from(PATHS), sizes, sizes)
def test_lines_are_rows_or_columns(path, height, width):
    length = line_length(path, height, width)
    lines = to_sequence(pixels(height, width), path)[0].view(-1, length, 2)
    axis = 0 if path.startswith("row") else 1
    assert (lines[:, :, axis] == lines[:, :1, axis]).all()
    assert lines[:, 0, axis].unique().numel() == lines.shape[0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: to_sequence(torch.zeros(1, 2, 2), "diagonal"),
        lambda: from_sequence(torch.zeros(1, 4), "rows", 2, 2),
    ],
)
def test_unknown_paths_are_refused_with_those_that_exist(call):
    with pytest.raises(ValueError, match=r"unknown scan path '.*row_snake_rev"):
        call()
