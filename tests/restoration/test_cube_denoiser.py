"""Cubes through a network by tiles and groups of bands: seamless, within memory, holes kept."""

import numpy as np
import pytest
import torch
from torch import nn

from serpent_cli.cubes.cube import Cube
from serpent_cli.errors import ModelError, PictureError, SerpentError, UsageError
from serpent_cli.model.config import ModelConfig
from serpent_cli.restoration.cube_denoiser import CubeDenoiser, full_scale
from serpent_cli.restoration.cube_plan import plan_cube
from serpent_cli.restoration.plan import BASE_BYTES, Costs
from serpent_cli.zoo.card import Card

CONFIG = ModelConfig(widths=(8, 8, 8, 8), channels=6)


class Identity(nn.Module):
    """Gives what it gets, and remembers its shapes."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def forward(self, x):
        self.shapes.append(tuple(x.shape))
        return x.clone()


class Mean(nn.Module):
    """The mean of 3 x 3 pixels: what a tile's rim sees matters."""

    def forward(self, x):
        padded = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        return nn.functional.avg_pool2d(padded, 3, 1)


def denoiser(model, **terms):
    card = Card(
        name="test", task=terms.pop("task", "denoise"), scale=1, file="a.safetensors", sha256="",
        licence="MIT", description="", config=CONFIG, margin=8,
    )  # fmt: skip
    return CubeDenoiser(model, card, **terms)


def made(cube, model, white=1.0, **terms):
    result = np.zeros_like(cube.planes)
    denoiser(model, **terms).denoise(cube, result, white=white)
    return result


@pytest.mark.parametrize("shape", [(1, 5, 7), (6, 16, 16), (7, 33, 20), (20, 150, 90), (3, 1, 1)])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_any_size_and_number_of_bands_comes_back(dtype, shape):
    planes = (np.random.default_rng(0).random(shape) * 1000).astype(dtype)
    model = Identity()
    result = made(Cube(planes), model, white=1000, tile=64)
    np.testing.assert_allclose(result, planes, rtol=1e-5, atol=1e-3)
    assert all(bands == 6 and h % 16 == w % 16 == 0 for _, bands, h, w in model.shapes)


def test_tiles_leave_no_seam():
    planes = np.random.default_rng(0).random((8, 150, 170)).astype(np.float32)
    whole = made(Cube(planes), Mean(), tile="whole")
    np.testing.assert_allclose(made(Cube(planes), Mean(), tile=64), whole, atol=1e-5)


def test_places_without_data_stay_so_and_darken_nothing():
    planes = np.full((7, 40, 40), 0.5, np.float32)
    planes[2, 10:20, 10:20], planes[3, 5, 5] = np.nan, -9999
    result = made(Cube(planes, nodata=-9999), Mean())
    assert np.isnan(planes[2]).sum() == 100
    holes = np.isnan(planes) | (planes == -9999)
    assert (result[holes] == -9999).all()
    np.testing.assert_allclose(result[~holes], 0.5, atol=1e-6)


def test_a_cube_without_any_data_is_left_alone():
    result = made(Cube(np.full((3, 9, 9), 7, np.int16), nodata=7), Identity(), white=None)
    assert (result == 7).all()


def test_full_scale_is_the_brightest_but_for_a_few():
    planes = np.linspace(0, 1000, 10 * 100 * 100).reshape(10, 100, 100).astype(np.float32)
    assert full_scale(Cube(planes)) == pytest.approx(999, abs=3)
    planes[0, 1, 1] = 1e9
    assert full_scale(Cube(planes)) == pytest.approx(999, abs=3)
    assert full_scale(Cube(np.zeros((2, 3, 3), np.uint8))) == 1


def test_numbers_that_are_not_finite_are_an_error():
    class Broken(nn.Module):
        def forward(self, x):
            return x / 0

    with pytest.raises(PictureError, match="not finite"):
        made(Cube(np.ones((2, 8, 8), np.float32)), Broken())


def test_weights_for_something_else_are_refused():
    with pytest.raises(ModelError, match="does not denoise cubes"):
        denoiser(Identity(), task="deblur")


COSTS = Costs(scale=1, multiple=16, margin=32, bytes_per_pixel=2000, weight_bytes=10**7)


def test_tiles_shrink_with_the_budget_and_grow_with_it():
    shape = (224, 1600, 1500)
    roomy = plan_cube(shape, 32, COSTS, 64 * 2**30)
    tight = plan_cube(shape, 32, COSTS, 2**30)
    assert roomy.tiles < tight.tiles
    assert tight.peak_bytes <= 2**30
    with pytest.raises(SerpentError, match="needs") as error:
        plan_cube(shape, 32, COSTS, BASE_BYTES)
    assert "--max-memory" in error.value.hint
    with pytest.raises(UsageError, match="at least 64 pixels"):
        plan_cube(shape, 32, COSTS, None, 16)


@pytest.mark.parametrize("bands", [1, 31, 32, 33, 47, 182, 224])
def test_groups_of_bands_cover_all_and_are_never_too_large(bands):
    groups = plan_cube((bands, 64, 64), 32, COSTS, None).groups
    assert {b for g in groups for b in range(g.start, g.stop)} == set(range(bands))
    assert max(g.length for g in groups) <= 32


@torch.no_grad()
def test_a_network_at_its_beginning_changes_nothing():
    from serpent_cli.model.unet import build_model

    planes = np.random.default_rng(0).random((9, 30, 41)).astype(np.float32)
    np.testing.assert_allclose(made(Cube(planes), build_model(CONFIG).eval()), planes, atol=1e-5)
