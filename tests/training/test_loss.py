"""What training minimises."""

import math

import pytest
import torch

from serpent_cli.training.loss import LEAST_ERROR, PATCH, restoration_loss


def test_the_loss_is_charbonnier_plus_spectra() -> None:
    target, output = torch.zeros(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.3)
    expected = (0.3**2 + 0.4**2) ** 0.5
    assert float(restoration_loss(output, target, 0.4, 0.0)) == pytest.approx(expected)
    # A constant difference of 0.3 has one spectral line, 0.3 · 8, of 8 x 5 complex values.
    both = float(restoration_loss(output, target, 0.4, 1.0))
    assert both - expected == pytest.approx(0.3 * 8 / (8 * 5 * 2), rel=1e-4)


def test_decibels_count_every_square_alike() -> None:
    target = torch.zeros(1, 3, 2 * PATCH, 2 * PATCH)
    output = torch.zeros_like(target)
    output[..., :PATCH, :PATCH] = 0.1  # one square of four is far off, one nearly right
    output[..., PATCH:, PATCH:] = 0.01
    output.requires_grad_()
    charbonnier = float(restoration_loss(output.detach(), target, 1e-3, 0.0))
    loss = restoration_loss(output, target, 1e-3, 0.0, 0.5)
    levels = [math.log(error + LEAST_ERROR) for error in (0.1**2, 0.01**2, 0.0, 0.0)]
    assert float(loss.detach()) - charbonnier == pytest.approx(0.5 * sum(levels) / 4, rel=1e-5)
    only = loss - restoration_loss(output, target, 1e-3, 0.0)
    (gradient,) = torch.autograd.grad(only, output)
    far, near = gradient[0, 0, 0, 0], gradient[0, 0, -1, -1]
    assert far > 0 and near > 4 * far


def test_a_side_that_is_no_multiple_of_a_square_counts_whole() -> None:
    target, output = torch.zeros(1, 1, 1, PATCH + 4), torch.zeros(1, 1, 1, PATCH + 4)
    output[..., PATCH:] = 0.5
    both = restoration_loss(output, target, 1e-3, 0.0, 1.0)
    without = restoration_loss(output, target, 1e-3, 0.0)
    expected = (math.log(LEAST_ERROR) + math.log(0.25 + LEAST_ERROR)) / 2
    assert float(both - without) == pytest.approx(expected, rel=1e-5)
