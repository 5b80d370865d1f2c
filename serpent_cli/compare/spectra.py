"""The spectra that a page carries of two cubes: every pixel's, or those of a grid of pixels."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serpent_cli.compare.composite import Bands
from serpent_cli.cubes.cube import Cube, release

SAMPLES = 1 << 24
"""Of all cubes of a page together; two bytes each, 45 MB as text: 31 bands of 512 x 512 fit."""

MISSING = 65535
"""Code of a sample without data."""


def grid_step(shape: tuple[int, int, int], samples: int) -> int:
    """From which step on the spectra of two cubes (T, H, W) are no more than `samples`.

    >>> grid_step((224, 512, 512), 1 << 24), grid_step((31, 512, 512), 1 << 24)
    (3, 1)
    """
    bands, height, width = shape
    step = 1
    while step < max(height, width) and 2 * bands * _on(height, step) * _on(width, step) > samples:
        step += 1
    return step


def spectra(
    before: Cube, after: Cube, bands: Bands, samples: int = SAMPLES
) -> tuple[dict[str, Any], str]:
    """What the page's script wants to know about two cubes of one shape.

    Args:
        before: The one.
        after: The other.
        bands: The three that are shown.
        samples: How many may be kept of both.

    Returns:
        Facts, and as text the codes (2, rows, columns, T), 16 bits each, low byte first: 0 for
        `low`, 65534 for `high`, `MISSING` for none. Bands are in the order of the `axis`.
    """
    count, height, width = before.shape
    step = grid_step(before.shape, samples)
    axis = np.array(before.wavelengths or after.wavelengths or range(1, count + 1), np.float64)
    order = np.argsort(axis, kind="stable")
    kept = [_kept(cube, step)[order] for cube in (before, after)]
    known = [each[np.isfinite(each)] for each in kept]
    low = min((float(each.min()) for each in known if each.size), default=0.0)
    high = max((float(each.max()) for each in known if each.size), default=0.0)
    codes = b"".join(_coded(each, low, high).tobytes() for each in kept)
    facts = {
        "height": height,
        "width": width,
        "step": step,
        "rows": kept[0].shape[1],
        "columns": kept[0].shape[2],
        "low": low,
        "high": high,
        "axis": axis[order].tolist(),
        "unit": "nm" if before.wavelengths or after.wavelengths else "band",
        "shown": [float(axis[band]) for band in bands],
    }
    return facts, base64.b64encode(codes).decode("ascii")


def _on(side: int, step: int) -> int:
    """Pixels of a side that lie on the grid, whose first is half a step from the edge."""
    return len(range(step // 2, side, step))


def _kept(cube: Cube, step: int) -> NDArray[np.float32]:
    on = slice(step // 2, None, step)
    kept = cube.window(on, on)
    release(cube.planes)
    return kept


def _coded(samples: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint16]:
    """(T, rows, columns) as codes (rows, columns, T)."""
    scale = (MISSING - 1) / (high - low) if high > low else 0.0
    there = np.isfinite(samples)
    codes = np.rint((np.where(there, samples, low) - low) * scale)
    return np.moveaxis(np.where(there, codes, MISSING).astype("<u2"), 0, -1)
