import numpy as np
import pytest

from serpent_cli.cubes.cube import Cube
from serpent_cli.cubes.scale import full_scale


def test_full_scale_is_the_brightest_but_for_a_few():
    planes = np.linspace(0, 1000, 10 * 100 * 100).reshape(10, 100, 100).astype(np.float32)
    assert full_scale(Cube(planes)) == pytest.approx(999, abs=3)
    planes[0, 1, 1] = 1e9
    assert full_scale(Cube(planes)) == pytest.approx(999, abs=3)
    assert full_scale(Cube(np.zeros((2, 3, 3), np.uint8))) == 1
