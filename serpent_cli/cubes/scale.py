"""What counts as full scale of a cube whose file does not tell."""

import numpy as np

from serpent_cli.cubes.cube import Cube, Samples

QUANTILE = 0.999
"""Of all samples: what counts as full scale where nothing is said."""

SAMPLED_ROWS, SAMPLED = 64, 1_000_000
"""Rows, and about how many samples, that it is taken of."""


def full_scale(cube: Cube) -> float:
    """The sample that counts as full scale: brighter than all but 1 in 1000; 1 if all are dark."""
    bands, height, width = cube.shape
    step = -(-height // SAMPLED_ROWS)
    across = max(1, bands * -(-height // step) * width // SAMPLED)
    found: list[Samples] = []
    for row in range(step // 2, height, step):
        samples = cube.window(slice(row, row + 1), slice(None, None, across))
        found.append(samples[np.isfinite(samples)])
    values = np.concatenate(found)
    brightest = float(np.quantile(values, QUANTILE)) if len(values) else 0.0
    return brightest if brightest > 0 else 1.0
