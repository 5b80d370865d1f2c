"""Cubes through a network along their axes: seamless, within memory, holes kept."""

import numpy as np
import pytest
import torch
from torch import nn

from serpent_cli.cubes.cube import Cube
from serpent_cli.errors import ModelError, PictureError, SerpentError, UsageError
from serpent_cli.model.config import ModelConfig
from serpent_cli.restoration.cube_denoiser import CubeDenoiser, axes_in
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


def scene(bands, height, width, noise=0.0):
    """Two materials in [0, 1], and noise."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    share = 0.5 + 0.4 * np.sin(rows / 6) * np.cos(columns / 7)
    k = np.linspace(0, 1, bands)[:, None, None]
    random = np.random.default_rng(0)
    cube = share * (0.3 + 0.5 * k) + (1 - share) * (0.7 - 0.4 * k**2)
    return (cube + noise * random.standard_normal(cube.shape)).astype(np.float32)


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
def test_a_clean_cube_of_any_size_comes_back(dtype, shape):
    planes = (scene(*shape) * 1000).astype(dtype)
    model = Identity()
    result = made(Cube(planes), model, white=1000, tile=64)
    np.testing.assert_allclose(result.astype(float), planes, atol=6)
    assert all(axes == 6 and h % 16 == w % 16 == 0 for _, axes, h, w in model.shapes)


@pytest.mark.parametrize("bands", [1, 2, 5, 6, 7, 31, 100, 250])
def test_noise_of_any_number_of_bands_is_reduced(bands):
    clean = scene(bands, 64, 64)
    given = scene(bands, 64, 64, noise=0.1)
    result = made(Cube(given), Mean())
    before, after = (np.square(x - clean).mean() for x in (given, result))
    assert after < before / (3 if bands < 5 else 10)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_tiles_leave_no_seam(noise):
    """The axes are the whole cube's: what differs is rounding alone."""
    planes = scene(8, 150, 170, noise)
    whole = made(Cube(planes), Mean(), tile="whole")
    np.testing.assert_allclose(made(Cube(planes), Mean(), tile=64), whole, atol=1e-5)


def test_dead_pixels_are_mended_in_every_tile():
    clean = scene(30, 150, 170)
    given = scene(30, 150, 170, noise=0.02)
    given[4, 20, 30], given[9, 100, 150], given[12, :, 77] = 1.0, 0.0, 0.0
    result = made(Cube(given), Identity(), tile=64)
    assert np.abs(result - clean).max() < 0.1


def test_axes_are_measured_all_over_a_cube():
    """What lies at the lower end of a cube too large to be measured whole is found too."""
    planes = scene(8, 4000, 40, noise=0.02)
    planes[5, 3900:] += 0.4
    with_rows = axes_in(Cube(planes), 1.0)
    assert (with_rows.gain > 0.5).sum() > (axes_in(Cube(planes[:, :3000]), 1.0).gain > 0.5).sum()


def test_after_memory_ran_out_smaller_tiles_go_on():
    planes = scene(8, 150, 170, noise=0.1)
    sides, calls = [], []

    class Limited(Mean):
        def forward(self, x):
            sides.append(max(x.shape[-2:]))
            if sides[-1] > 64:
                raise MemoryError
            return super().forward(x)

    result = np.zeros_like(planes)
    denoiser(Limited()).denoise(
        Cube(planes), result, white=1.0, on_tile=lambda *call: calls.append(call)
    )
    np.testing.assert_array_equal(result, made(Cube(planes), Mean(), tile=64))
    assert sides[0] > 64 >= sides[-1]
    assert calls[-1][0] == calls[-1][1] > 4


def test_memory_that_never_suffices_is_an_error():
    class Insatiable(nn.Module):
        def forward(self, x):
            raise MemoryError

    with pytest.raises(SerpentError, match="even with the smallest tile"):
        made(Cube(scene(4, 80, 80, noise=0.1)), Insatiable())


def test_places_without_data_stay_so_and_darken_nothing():
    planes = scene(7, 40, 40)
    clean = planes.copy()
    planes[2, 10:20, 10:20], planes[3, 5, 5] = np.nan, -9999
    holes = np.isnan(planes) | (planes == -9999)
    result = made(Cube(planes, nodata=-9999), Mean())
    assert (result[holes] == -9999).all()
    beside = ~holes & ~np.pad(holes, ((0, 0), (1, 1), (1, 1))).any(0)[1:-1, 1:-1]
    np.testing.assert_allclose(result[beside], clean[beside], atol=0.02)


def test_a_cube_without_any_data_is_left_alone():
    result = made(Cube(np.full((3, 9, 9), 7, np.int16), nodata=7), Identity(), white=None)
    assert (result == 7).all()


def test_numbers_that_are_not_finite_are_an_error():
    class Broken(nn.Module):
        def forward(self, x):
            return x / 0

    with pytest.raises(PictureError, match="not finite"):
        made(Cube(scene(4, 32, 32, noise=0.1)), Broken())


def test_the_network_counts_by_how_much_noise_there_is():
    def changed(noise):
        cube = Cube(scene(8, 64, 64, noise=noise))
        return np.abs(made(cube, Mean()) - made(cube, Identity())).mean() / noise

    assert changed(4 / 255) == 0
    assert 0.2 < changed(10 / 255) / changed(25 / 255) < 0.8


def test_weights_for_something_else_are_refused():
    with pytest.raises(ModelError, match="does not denoise cubes"):
        denoiser(Identity(), task="deblur")


COSTS = Costs(scale=1, multiple=16, margin=32, bytes_per_pixel=2000, weight_bytes=10**7)


def test_tiles_shrink_with_the_budget_and_grow_with_it():
    shape = (224, 1600, 1500)
    roomy = plan_cube(shape, COSTS, 64 * 2**30)
    tight = plan_cube(shape, COSTS, 2**30)
    assert roomy.tiles < tight.tiles
    assert tight.peak_bytes <= 2**30
    with pytest.raises(SerpentError, match="needs") as error:
        plan_cube(shape, COSTS, BASE_BYTES)
    assert "--max-memory" in error.value.hint
    with pytest.raises(UsageError, match="at least 64 pixels"):
        plan_cube(shape, COSTS, None, 16)


@torch.no_grad()
def test_a_network_at_its_beginning_changes_nothing():
    from serpent_cli.model.unet import build_model

    planes = scene(9, 30, 41)
    np.testing.assert_allclose(made(Cube(planes), build_model(CONFIG).eval()), planes, atol=0.003)
