"""What the tests of cubes share: one cube."""

import numpy as np
import pytest

SHAPE = (7, 16, 20)  # bands, rows, columns


@pytest.fixture
def planes():
    """Samples (7, 16, 20) of uint16, all different."""
    return np.random.default_rng(3).permutation(np.prod(SHAPE)).astype(np.uint16).reshape(SHAPE)
