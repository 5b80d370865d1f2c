import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serpent_cli.compare.view import View, plan_view, unrelated

SIDE = st.integers(8, 3000)


def test_equal_sizes_are_shown_as_they_are() -> None:
    assert plan_view((30, 40), (30, 40)) == View(30, 40)


@given(SIDE, SIDE, st.integers(2, 8), st.sampled_from([math.floor, math.ceil, round]))
def test_a_picture_reduced_and_rounded_has_the_same_shape(
    height: int, width: int, factor: int, rounded: "type[int]"
) -> None:
    small = max(1, rounded(height / factor)), max(1, rounded(width / factor))
    view = plan_view(small, (height, width), max_pixels=10**9)
    assert view is not None
    assert (view.height, view.width, view.enlarged) == (height, width, "before")
    back = plan_view((height, width), small, max_pixels=10**9)
    assert back is not None
    assert (back.height, back.width, back.enlarged) == (height, width, "after")


@pytest.mark.parametrize(
    ("before", "after"),
    [((480, 640), (640, 480)), ((100, 100), (100, 200)), ((480, 640), (481, 640))],
)
def test_unrelated_shapes_are_refused(before: tuple[int, int], after: tuple[int, int]) -> None:
    assert plan_view(before, after) is None
    assert plan_view(after, before) is None
    error = unrelated(Path("a.png"), Path("b.png"), (before, after))
    assert error.exit_code == 2
    assert f"{before[1]}x{before[0]}" in error.message
    assert error.hint


@given(SIDE, SIDE, st.integers(1, 10**6), st.integers(1, 3000))
def test_large_pictures_are_reduced_to_the_limits(
    height: int, width: int, pixels: int, side: int
) -> None:
    view = plan_view((height, width), (height, width), max_pixels=pixels, max_side=side)
    assert view is not None
    assert min(view.height, view.width) >= 1
    assert max(view.height, view.width) <= side
    assert view.pixels <= pixels or 1 in (view.height, view.width)
    if view.share < 1:
        assert abs(view.width - width * view.share) <= 1
        assert abs(view.height - height * view.share) <= 1
    else:
        assert (view.height, view.width) == (height, width)
