import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from serpent_cli.tiling.blend import Blender, blended, in_order, windows
from serpent_cli.tiling.grid import Span, spans


@given(st.integers(1, 400), st.integers(2, 10), st.integers(0, 80), st.sampled_from([1, 2, 8]))
def test_windows_sum_to_one(length: int, steps: int, overlap: int, scale: int) -> None:
    axis = spans(length, 8 * steps, min(overlap, 8 * (steps - 1)), 8)
    total = np.zeros(length * scale)
    for span, weight in zip(axis, windows(axis, scale), strict=True):
        assert weight.shape == (span.length * scale,)
        assert weight.min() >= 0
        total[span.start * scale : span.stop * scale] += weight
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_windows_rise_as_cosines_and_ignore_the_rim() -> None:
    first, second = windows((Span(0, 32), Span(16, 48)))
    assert (first[:20] == 1).all(), "alone, and the rim of the second tile"
    assert (first[28:] == 0).all(), "the rim where the first tile lacks context"
    np.testing.assert_array_equal(first, second[::-1])
    middle = 0.5 + 0.5 * np.cos(np.pi * (np.arange(8) + 0.5) / 8)
    np.testing.assert_allclose(first[20:28], middle, atol=1e-6)


def blend(picture: NDArray[np.float32], tile: int, overlap: int, scale: int) -> list[int]:
    """Cut a picture, blend it again in place; the heights of the rows of blocks."""
    height, width = (side // scale for side in picture.shape[:2])
    rows, columns = spans(height, tile, overlap, 4), spans(width, tile, overlap, 4)
    blender = Blender(rows, columns, scale, picture.shape[2])
    result, heights = np.full_like(picture, np.nan), list[int]()
    for i, row in enumerate(rows):
        right = 0
        for j, column in enumerate(columns):
            part = (slice(s.start * scale, s.stop * scale) for s in (row, column))
            top, left, block = blender.add(i, j, picture[tuple(part)].copy())
            assert (top, left) == (sum(heights), right)
            right += block.shape[1]
            result[top : top + len(block), left:right] = block
        assert right == picture.shape[1]
        heights.append(len(block))
    np.testing.assert_allclose(result, picture, atol=1e-6)
    return heights


def test_blocks_are_the_plain_weighted_sum() -> None:
    rows, columns = spans(61, 24, 9, 4), spans(50, 16, 7, 4)
    assert rows[-1].start - rows[-2].start < rows[1].start, "the last tile was moved inwards"
    tiles = np.random.default_rng(0).random((len(rows), len(columns), 48, 32, 2), np.float32)
    expected = np.zeros((122, 100, 2))
    for i, (row, down) in enumerate(zip(rows, windows(rows, 2), strict=True)):
        for j, (column, across) in enumerate(zip(columns, windows(columns, 2), strict=True)):
            tile = tiles[i, j, : row.length * 2, : column.length * 2]
            place = np.s_[row.start * 2 : row.stop * 2, column.start * 2 : column.stop * 2]
            expected[place] += tile * down[:, None, None] * across[None, :, None]
    blender = Blender(rows, columns, 2, 2)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            tile = tiles[i, j, : row.length * 2, : column.length * 2].copy()
            top, left, block = blender.add(i, j, tile)
            place = np.s_[top : top + block.shape[0], left : left + block.shape[1]]
            np.testing.assert_allclose(block, expected[place], atol=1e-6)


@given(
    st.integers(1, 90), st.integers(1, 90), st.sampled_from([8, 16, 32]), st.sampled_from([1, 2])
)
def test_tiles_of_one_picture_blend_to_it(height: int, width: int, tile: int, scale: int) -> None:
    picture = np.random.default_rng(height * 100 + width).random(
        (height * scale, width * scale, 3), np.float32
    )
    heights = blend(picture, tile, tile // 2, scale)
    assert sum(heights) == height * scale


def test_constant_tiles_blend_to_a_constant() -> None:
    assert len(blend(np.full((180, 100, 1), 0.3, np.float32), 32, 12, 2)) == 4


@pytest.mark.parametrize("tile", [16, 64])
def test_planes_come_back_row_by_row_of_tiles(tile: int) -> None:
    rng = np.random.default_rng(0)
    planes = [rng.random((60, 40, channels), np.float32) for channels in (3, 1)]
    rows, columns = spans(60, tile, tile // 2, 4), spans(40, tile, tile // 2, 4)
    tiles = (
        planes[plane][rows[i].start : rows[i].stop, columns[j].start : columns[j].stop].copy()
        for i, plane, j in in_order(rows, columns, 2)
    )
    results, calls = [np.full_like(plane, np.nan) for plane in planes], list[tuple[int, int]]()
    order = list[tuple[int, int]]()
    for block in blended(tiles, rows, columns, 1, (3, 1), lambda *call: calls.append(call)):
        results[block.plane][block.place] = block.samples
        order.append((block.row, block.plane))
    for result, plane in zip(results, planes, strict=True):
        np.testing.assert_allclose(result, plane, atol=1e-6)
    total = 2 * len(rows) * len(columns)
    assert order == sorted(order)
    assert calls == [(done, total) for done in range(total + 1)]


def test_the_only_tile_of_a_plane_is_passed_on_as_it_is() -> None:
    tile = np.zeros((5, 7, 3), np.uint8)
    (block,) = blended(iter([tile]), (Span(0, 5),), (Span(0, 7),), 1, (3,))
    assert block.samples is tile
