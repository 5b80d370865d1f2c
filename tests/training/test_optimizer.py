"""How the weights move."""

import pytest

from serpent_cli.training.optimizer import learning_rate
from serpent_cli.training.recipe import OptimSection


def test_the_learning_rate_warms_up_and_falls() -> None:
    optim = OptimSection(steps=100, warmup=10, lr=1.0, lr_end=0.0)
    rates = [learning_rate(optim, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 1e-3
