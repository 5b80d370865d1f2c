"""How alike cubes are, against torchmetrics and scikit-image by way of the evaluation's scores."""

import doctest
import math

import numpy as np
import pytest

from serpent_cli.cubes import likeness as module
from serpent_cli.cubes.cube import Cube
from serpent_cli.cubes.likeness import likeness
from serpent_cli.evaluation.cube_metrics import score_cube


@pytest.fixture
def pair():
    """Two cubes (19, 37, 29) of float32 in [0, 1]: more bands than a chunk has."""
    random = np.random.default_rng(2)
    truth = random.random((19, 37, 29), np.float32)
    noise = random.standard_normal(truth.shape, np.float32)
    return np.clip(truth + 0.1 * noise, 0, 1), truth


@pytest.mark.parametrize("samples", [1, 16 * 29 * 20, 1 << 22])
def test_parts_of_any_size_give_the_scores_of_the_evaluation(pair, samples, monkeypatch):
    monkeypatch.setattr(module, "SAMPLES", samples)
    made, expected = likeness(*map(Cube, pair), 1), score_cube(*pair)
    assert made.mpsnr == pytest.approx(expected.mpsnr, abs=1e-4)
    assert made.mssim == pytest.approx(expected.mssim, abs=1e-5)
    assert made.sam == pytest.approx(expected.sam, abs=1e-5)
    assert not made.same


def test_full_scale_counts_as_one(pair):
    a, b = (np.rint(each * 4000).astype(np.uint16) for each in pair)
    made = likeness(Cube(a), Cube(b), 4000)
    expected = score_cube(a / 4000, b / 4000)
    assert made.mpsnr == pytest.approx(expected.mpsnr, abs=1e-4)
    assert made.mssim == pytest.approx(expected.mssim, abs=1e-5)


def test_equal_cubes(pair):
    made = likeness(Cube(pair[1]), Cube(pair[1].copy()), 1)
    assert (made.mpsnr, made.same) == (100, True)
    assert made.mssim == pytest.approx(1)
    assert made.sam == pytest.approx(0, abs=1e-5)


def test_what_has_no_data_does_not_count(pair):
    """Rows without data: as if they were not there; no window that touches them counts."""
    a, b = pair[0].copy(), pair[1].copy()
    a[:, :10], b[:, :10] = np.nan, -9
    made = likeness(Cube(a), Cube(b, nodata=-9), 1)
    expected = score_cube(pair[0][:, 10:], pair[1][:, 10:])
    assert made.mpsnr == pytest.approx(expected.mpsnr, abs=1e-4)
    assert made.mssim == pytest.approx(expected.mssim, abs=1e-5)
    assert made.sam == pytest.approx(expected.sam, abs=1e-5)
    nothing = Cube(np.full_like(b, -9), nodata=-9)
    made = likeness(Cube(a), nothing, 1)
    assert all(map(math.isnan, (made.mpsnr, made.mssim, made.sam)))


def test_small_cubes_have_no_ssim_and_others_no_likeness(pair):
    small, truth = (Cube(each[:, :5]) for each in pair)
    assert math.isnan(likeness(small, truth, 1).mssim)
    with pytest.raises(ValueError, match="cannot compare"):
        likeness(small, Cube(pair[0]), 1)


def test_examples():
    assert doctest.testmod(module).failed == 0
