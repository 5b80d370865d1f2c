"""The forward model of coded snapshots against its sum, its transpose and its diagonal."""

import pytest
import torch

from serpent_cli.degrade.cassi import (
    WAVELENGTHS,
    adjoint,
    bands_in,
    gain,
    gathered,
    measure,
    measured_width,
    measurement_of,
    network_input,
    shift_back,
    spread,
)

SHAPE, STEP = (2, 5, 4, 6), 2


@pytest.fixture
def cube():
    return torch.rand(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def mask():
    return torch.rand(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def matrix(mask, bands, step):
    """Φ as a matrix, from the definition alone."""
    h, w = mask.shape
    wide = w + step * (bands - 1)
    phi = torch.zeros(h * wide, bands * h * w, dtype=torch.float64)
    for k in range(bands):
        for i in range(h):
            for j in range(w):
                phi[i * wide + j + step * k, (k * h + i) * w + j] += mask[i, j]
    return phi


@pytest.mark.parametrize("step", [1, 2, 3])
def test_it_is_the_matrix_of_its_definition(step, cube, mask):
    phi = matrix(mask, 5, step)
    y = measure(cube, mask, step)
    torch.testing.assert_close(y.flatten(1), cube.flatten(1) @ phi.T)
    back = adjoint(y, mask, 5, step)
    torch.testing.assert_close(back.flatten(1), y.flatten(1) @ phi)
    diagonal = phi @ phi.T
    torch.testing.assert_close(gain(mask, 5, step).flatten(), diagonal.diagonal())
    torch.testing.assert_close(diagonal, torch.diag(diagonal.diagonal()))


def test_shifting_back_is_the_least_explanation(cube, mask):
    y = measure(cube, mask, STEP)
    x = shift_back(y, mask, 5, STEP)
    expected = y.flatten(1) @ torch.linalg.pinv(matrix(mask, 5, STEP)).T
    torch.testing.assert_close(x.flatten(1), expected)
    torch.testing.assert_close(measure(x, mask, STEP), y)


def test_pixels_that_no_light_reaches_stay_dark(cube, mask):
    mask[:, 2:] = 0
    x = shift_back(measure(cube, mask), mask, 5)
    assert torch.isfinite(x).all()
    assert (x[..., 2:] == 0).all()


def test_spreading_and_gathering_are_each_other_s_inverse_on_a_single_band_s_place(cube):
    moved = spread(cube)
    assert moved.shape == (2, 5, 4, 14)
    for k in range(5):
        torch.testing.assert_close(gathered(moved[:, k], 5)[:, k], cube[:, k])


def test_what_networks_take_is_the_mean_of_two_bands(cube, mask):
    x = network_input(measure(cube, mask), 5)
    assert x.shape == SHAPE
    torch.testing.assert_close(x, gathered(measure(cube, mask), 5) * 0.4)


@pytest.mark.parametrize("step", [1, 2, 7])
def test_the_measurement_is_found_in_what_networks_take(step, cube, mask):
    y = measure(cube, mask, step)
    torch.testing.assert_close(measurement_of(network_input(y, 5, step), step), y)


def test_each_scene_may_have_a_mask_of_its_own(cube, mask):
    masks = torch.stack((mask, 1 - mask))
    y = measure(cube, masks)
    for i in range(2):
        torch.testing.assert_close(y[i], measure(cube[i : i + 1], masks[i])[0])
        torch.testing.assert_close(gain(masks, 5)[i], gain(masks[i], 5))
        torch.testing.assert_close(adjoint(y, masks, 5)[i], adjoint(y[i : i + 1], masks[i], 5)[0])


def test_sizes_tell_the_number_of_bands():
    assert measured_width(256, 28) == 310
    assert bands_in(310, 256) == len(WAVELENGTHS) == 28
    assert bands_in(311, 256) is None
    assert bands_in(255, 256) is None
    assert bands_in(256, 256) == 1
