import numpy as np
import pytest
import skimage.util
from hypothesis import given
from hypothesis import strategies as st

from serpent_cli.imaging.colour import (
    bands,
    grey_to_rgb,
    is_grey,
    to_depth,
    to_unit,
)


def test_integers_round_to_the_nearest_value_exactly():
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.rint(every.astype(np.float64) * 255 / 65535)
    np.testing.assert_array_equal(to_depth(every, np.uint8), expected)


def test_every_eight_bit_value_survives_the_way_up_and_down():
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for deeper in (np.uint16, np.float32):
        raised = to_depth(every, deeper)
        np.testing.assert_array_equal(to_depth(raised, np.uint8), every)
    np.testing.assert_array_equal(to_depth(every, np.uint16), skimage.util.img_as_uint(every))
    np.testing.assert_allclose(to_depth(every, np.float32), skimage.util.img_as_float32(every))


def test_every_sixteen_bit_value_survives_float():
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(to_depth(to_unit(every), np.uint16), every)


def test_floats_are_clipped_not_wrapped():
    values = np.array([[-0.5, 0.0, 1.0, 1.5]], np.float32)
    np.testing.assert_array_equal(to_depth(values, np.uint8), [[0, 0, 255, 255]])


def test_the_same_depth_is_the_same_array():
    values = np.zeros((2, 2), np.uint16)
    assert to_depth(values, np.uint16) is values
    unit = np.zeros((2, 2), np.float32)
    assert to_unit(unit) is unit


@given(height=st.integers(0, 5000), row=st.integers(0, 1 << 24))
def test_bands_cover_every_row_once(height, row):
    rows = [index for band in bands(height, row) for index in range(band.start, band.stop)]
    assert rows == list(range(height))


def test_grey_is_told_from_nearly_grey(camera):
    grey = grey_to_rgb(camera)
    assert is_grey(grey)
    for channel in range(3):
        nearly = grey.copy()
        nearly[-1, -1, channel] ^= 1
        assert not is_grey(nearly)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_conversion_by_bands_equals_conversion_at_once(astronaut, monkeypatch, dtype):
    values = astronaut.astype(dtype)
    whole = to_depth(values, np.float32)
    monkeypatch.setattr("serpent_cli.imaging.colour._BAND_SAMPLES", 1000)
    np.testing.assert_array_equal(to_depth(values, np.float32), whole)
