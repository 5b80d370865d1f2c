"""What the page carries of spectra."""

import base64
import doctest
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from serpent_cli.compare import spectra as module
from serpent_cli.compare.spectra import MISSING, grid_step, spectra
from serpent_cli.cubes.cube import Cube

SIDE = st.integers(1, 60)


def decoded(facts: dict[str, Any], text: str) -> NDArray[np.float64]:
    """Samples (2, rows, columns, T), NaN where there are none."""
    shape = (2, facts["rows"], facts["columns"], len(facts["axis"]))
    codes = np.frombuffer(base64.b64decode(text), "<u2").reshape(shape)
    values = facts["low"] + codes / (MISSING - 1) * (facts["high"] - facts["low"])
    return np.where(codes == MISSING, np.nan, values)


def test_every_pixel_of_small_cubes_is_kept_to_the_last_level() -> None:
    random = np.random.default_rng(0)
    first, second = random.integers(0, 4096, (2, 7, 5, 6), np.uint16)
    facts, text = spectra(Cube(first), Cube(second), (2, 1, 0))
    assert (facts["step"], facts["rows"], facts["columns"]) == (1, 5, 6)
    assert (facts["height"], facts["width"]) == (5, 6)
    assert (facts["axis"], facts["unit"], facts["shown"]) == (
        [1, 2, 3, 4, 5, 6, 7],
        "band",
        [3, 2, 1],
    )
    values = decoded(facts, text)
    assert np.array_equal(np.rint(values[0]), np.moveaxis(first, 0, -1))
    assert np.array_equal(np.rint(values[1]), np.moveaxis(second, 0, -1))


def test_bands_come_in_the_order_of_their_wavelengths() -> None:
    planes = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    facts, text = spectra(Cube(planes), Cube(planes, wavelengths=(600.0, 400.0, 500.0)), (0, 2, 1))
    assert (facts["axis"], facts["unit"]) == ([400, 500, 600], "nm")
    assert facts["shown"] == [600, 500, 400]
    assert decoded(facts, text)[0, 0, 0] == pytest.approx(planes[[1, 2, 0], 0, 0], abs=1e-3)


def test_what_has_no_data_is_missing() -> None:
    planes = np.linspace(-3, 5, 12, dtype=np.float32).reshape(3, 2, 2)
    planes[1, 1, 1], planes[0, 0, 0] = np.inf, -9
    facts, text = spectra(Cube(planes, nodata=-9), Cube(planes, nodata=-9), (0, 1, 2))
    values = decoded(facts, text)[0]
    assert np.isnan(values[1, 1, 1]) and np.isnan(values[0, 0, 0])
    assert np.isnan(values).sum() == 2
    assert np.nanmax(np.abs(values - np.moveaxis(planes, 0, -1))) < 1e-4


def test_cubes_of_one_value_or_none() -> None:
    for value in (5.0, np.nan):
        cube = Cube(np.full((2, 3, 3), value, np.float32))
        values = decoded(*spectra(cube, cube, (0, 0, 1)))
        assert np.array_equal(values, np.full_like(values, value), equal_nan=True)


@given(SIDE, SIDE, SIDE, st.integers(1, 9000))
def test_no_more_than_fits_and_no_less(bands: int, height: int, width: int, samples: int) -> None:
    step = grid_step((bands, height, width), samples)

    def count(step: int) -> int:
        on = [len(range(step // 2, side, step)) for side in (height, width)]
        return 2 * bands * on[0] * on[1]

    assert count(step) <= samples or count(step) <= 2 * bands
    assert step == 1 or count(step - 1) > samples


def test_a_grid_of_pixels_is_kept_of_large_cubes() -> None:
    planes = np.arange(2 * 10 * 11, dtype=np.uint16).reshape(2, 10, 11)
    facts, text = spectra(Cube(planes), Cube(planes), (1, 1, 0), samples=2 * 2 * 3 * 4)
    assert (facts["step"], facts["rows"], facts["columns"]) == (3, 3, 4)
    expected = np.moveaxis(planes[:, 1::3, 1::3], 0, -1)
    assert np.array_equal(np.rint(decoded(facts, text)[1]), expected)


def test_examples() -> None:
    assert doctest.testmod(module).failed == 0
