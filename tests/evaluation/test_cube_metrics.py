"""Scores of cubes against torchmetrics and scikit-image."""

import doctest
import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import spectral_angle_mapper

from serpent_cli.evaluation import cube_metrics
from serpent_cli.evaluation.cube_metrics import score_cube, spectral_angle


@pytest.fixture
def pair():
    random = np.random.default_rng(2)
    truth = random.random((5, 24, 31))
    return np.clip(truth + 0.1 * random.standard_normal(truth.shape), 0, 1), truth


def test_the_angle_is_that_of_torchmetrics(pair):
    a, b = (torch.from_numpy(x)[None] for x in pair)
    expected = math.degrees(spectral_angle_mapper(a, b))
    assert spectral_angle(*pair) == pytest.approx(expected, abs=1e-9)


def test_means_are_over_bands(pair):
    scores = score_cube(*pair)
    errors = [np.mean((a - b) ** 2) for a, b in zip(*pair, strict=True)]
    assert scores.mpsnr == pytest.approx(np.mean(-10 * np.log10(errors)), abs=1e-5)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    whole = [
        structural_similarity(a, b, data_range=1, full=True, **settings)[1][5:-5, 5:-5].mean()
        for a, b in zip(*pair, strict=True)
    ]
    assert scores.mssim == pytest.approx(np.mean(whole), abs=1e-4)


def test_equal_cubes_and_black_pixels(pair):
    _, truth = pair
    scores = score_cube(truth, truth)
    assert (scores.mpsnr, scores.mssim) == (100, pytest.approx(1))
    assert scores.sam == pytest.approx(0, abs=1e-5)
    dark = truth.copy()
    dark[:, 3] = 0
    assert spectral_angle(dark, truth) == pytest.approx(0, abs=1e-5)
    assert math.isnan(spectral_angle(0 * truth, truth))
    assert math.isnan(score_cube(truth[:, :5], truth[:, :5]).mssim)
    with pytest.raises(ValueError, match="cannot compare"):
        score_cube(truth, truth[1:])


def test_examples():
    assert doctest.testmod(cube_metrics).failed == 0
