import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serpent_cli.tiling.grid import Span, rounded_up, spans


@st.composite
def requests(draw: st.DrawFn) -> tuple[int, int, int, int]:
    multiple = draw(st.sampled_from([1, 2, 8, 16]))
    steps = draw(st.integers(2, 12))
    overlap = draw(st.integers(0, (steps - 1) * multiple))
    return draw(st.integers(1, 700)), steps * multiple, overlap, multiple


@given(st.integers(0, 10**6), st.integers(1, 64))
def test_rounding_up_goes_to_the_next_multiple(length: int, multiple: int) -> None:
    result = rounded_up(length, multiple)
    assert result % multiple == 0
    assert 0 <= result - length < multiple


@given(requests())
def test_tiles_cover_the_axis_and_share_enough(request_: tuple[int, int, int, int]) -> None:
    length, tile, overlap, multiple = request_
    result = spans(length, tile, overlap, multiple)
    assert result[0].start == 0
    assert result[-1].stop == length
    for left, right in itertools.pairwise(result):
        assert left.start < right.start
        assert left.stop - right.start >= overlap, "neighbours share too little"


@given(requests())
def test_tiles_are_equal_on_the_grid_and_not_too_large(
    request_: tuple[int, int, int, int],
) -> None:
    length, tile, overlap, multiple = request_
    result = spans(length, tile, overlap, multiple)
    assert all(span.start % multiple == 0 for span in result)
    assert len({span.length for span in result[:-1]}) <= 1
    assert all(0 < span.length <= tile for span in result)
    assert result[0].length - multiple < result[-1].length <= result[0].length


@given(requests())
def test_no_cover_has_fewer_tiles(request_: tuple[int, int, int, int]) -> None:
    length, tile, overlap, multiple = request_
    rounded = -(-overlap // multiple) * multiple
    fewest = 1
    while fewest * tile - (fewest - 1) * rounded < length:
        fewest += 1
    assert len(spans(length, tile, overlap, multiple)) == fewest


def test_a_known_cover() -> None:
    assert spans(100, 48, 8, 8) == (Span(0, 40), Span(32, 72), Span(64, 100))
    assert spans(48, 48, 8, 8) == (Span(0, 48),)


@pytest.mark.parametrize(("tile", "overlap"), [(30, 8), (32, 25), (32, -1)])
def test_impossible_tiles_are_refused(tile: int, overlap: int) -> None:
    with pytest.raises(ValueError, match=f"a tile of {tile}"):
        spans(100, tile, overlap, 8)
