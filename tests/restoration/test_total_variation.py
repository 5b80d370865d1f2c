"""Denoising by total variation against scikit-image."""

import numpy as np
import pytest
import torch
from skimage.restoration import denoise_tv_chambolle

from serpent_cli.restoration.total_variation import denoise_tv


@pytest.mark.parametrize("shape", [(1, 12, 17), (2, 3, 9, 8), (4, 1, 5), (4, 5, 1)])
@pytest.mark.parametrize("steps", [1, 5, 20])
def test_it_is_scikit_images(steps, shape):
    x = np.random.default_rng(steps).random(shape)
    planes = x.reshape(-1, *shape[-2:])
    expected = np.stack(
        [denoise_tv_chambolle(p, 0.1, eps=0, max_num_iter=steps + 1) for p in planes]
    )
    y = denoise_tv(torch.from_numpy(x), 0.1, steps)
    np.testing.assert_allclose(y.numpy(), expected.reshape(shape), atol=1e-12)


def test_it_leaves_its_input_and_flat_planes_as_they_are():
    x = torch.full((2, 6, 7), 0.3)
    torch.testing.assert_close(denoise_tv(x, 0.1, 10), x)
    noisy = torch.rand(6, 7)
    before = noisy.clone()
    assert denoise_tv(noisy, 0.1, 10).std() < 0.7 * noisy.std()
    assert torch.equal(noisy, before)


def test_planes_that_do_not_lie_in_a_row_are_no_different():
    x = torch.rand(8, 6, 3).permute(2, 0, 1)
    torch.testing.assert_close(denoise_tv(x, 0.1, 4), denoise_tv(x.contiguous(), 0.1, 4))
