"""What training minimises."""

import pytest
import torch

from serpent_cli.training.loss import restoration_loss


def test_the_loss_is_charbonnier_plus_spectra() -> None:
    target, output = torch.zeros(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.3)
    expected = (0.3**2 + 0.4**2) ** 0.5
    assert float(restoration_loss(output, target, 0.4, 0.0)) == pytest.approx(expected)
    # A constant difference of 0.3 has one spectral line, 0.3 · 8, of 8 x 5 complex values.
    both = float(restoration_loss(output, target, 0.4, 1.0))
    assert both - expected == pytest.approx(0.3 * 8 / (8 * 5 * 2), rel=1e-4)
