"""GAP-TV against itself written out with matrices and scikit-image, and against shifting back."""

import numpy as np
import pytest
import torch
from skimage.restoration import denoise_tv_chambolle

from serpent_cli.degrade.cassi import measure, shift_back
from serpent_cli.restoration.gap_tv import PROJECTIONS, gap_tv


def scene(bands, height, width):
    """Smooth spots of smooth spectra, (1, T, H, W)."""
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    wave = np.linspace(0, 1, bands)[:, None, None]
    spots = [
        np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 0.02) * np.exp(-((wave - z) ** 2) / 0.1)
        for y, x, z in ((0.3, 0.3, 0.2), (0.6, 0.7, 0.8), (0.7, 0.2, 0.5))
    ]
    return torch.from_numpy(np.sum(spots, 0) + (rows > 0.5) * 0.2)[None]


def coded(height, width):
    mask = torch.rand(height, width, generator=torch.Generator().manual_seed(4)) > 0.5
    return mask.double()


def test_its_turns_are_those_of_the_paper():
    cube, mask = scene(4, 6, 7), coded(6, 7)
    y = measure(cube, mask).flatten().numpy()
    width = 7 + 2 * 3
    # Φ, column by column, from the forward model that has tests of its own.
    unit = torch.eye(4 * 6 * 7, dtype=torch.float64).view(-1, 4, 6, 7)
    phi = measure(unit, mask).flatten(1).numpy().T
    inverse = np.linalg.pinv(phi @ phi.T)
    x, gathered = phi.T @ inverse @ y, np.zeros_like(y)
    for _ in range(3):
        gathered = gathered + y - phi @ x
        x = x + phi.T @ inverse @ (gathered - phi @ x)
        bands = x.reshape(4, 6, 7)
        smooth = [denoise_tv_chambolle(b, 0.1, eps=0, max_num_iter=PROJECTIONS + 1) for b in bands]
        x = np.stack(smooth).ravel()
    made = gap_tv(torch.from_numpy(y).view(1, 6, width), mask, 4, turns=3)
    np.testing.assert_allclose(made.flatten().numpy(), x, atol=1e-10)


@pytest.mark.parametrize("shape", [(6, 24, 32), (28, 32, 32)])
def test_it_is_better_than_shifting_back(shape):
    cube, mask = scene(*shape), coded(*shape[1:])
    y, turns = measure(cube, mask), []
    made = gap_tv(y, mask, shape[0], turns=20, progress=turns.append)
    before = (shift_back(y, mask, shape[0]) - cube).square().mean()
    assert (made - cube).square().mean() < before / 4
    assert turns == list(range(1, 21))


def test_a_dark_corner_of_the_mask_is_no_trouble():
    mask = coded(8, 8)
    mask[:, :3] = 0
    made = gap_tv(measure(scene(3, 8, 8), mask), mask, 3, turns=5)
    assert torch.isfinite(made).all()
