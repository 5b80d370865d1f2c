"""Progress inside a forward pass, by layers; it leaves no trace in the result."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.limits import flops
from serpent_cli.model.watching import TOKENS, layers, watched


@pytest.fixture(params=["plain", "x8"])
def network(request: pytest.FixtureRequest, network_for: Callable[..., nn.Module]) -> nn.Module:
    scale = 8 if request.param == "x8" else 1
    return network_for(ModelConfig(widths=(8, 16, 16, 24), scale=scale))


def test_shares_rise_to_one_and_bits_stay(network: nn.Module) -> None:
    x, shares = torch.rand(1, 3, 64, 64), list[float]()
    with torch.inference_mode():
        alone = network(x)
        with watched(network, shares.append):
            heard = network(x)
        after = network(x)
    assert torch.equal(alone, heard)
    assert torch.equal(alone, after)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert len(set(shares)) > 8
    assert not [m for m in network.modules() if m._forward_hooks], "the hooks are gone"


def test_costs_are_those_that_planners_count(network: nn.Module) -> None:
    """All multiply-adds but those of the joins, which are told with the layer after them."""
    config = network.config
    side = 8 * config.patch_size  # 64 tokens
    counted = sum(cost for _, cost in layers(network))  # pyright: ignore[reportArgumentType]
    assert TOKENS == 64
    assert 0.9 < counted / flops(config, side, side) <= 1.01


def test_other_networks_are_left_alone() -> None:
    network, shares = nn.Conv2d(3, 3, 1), list[float]()
    with watched(network, shares.append):
        network(torch.rand(1, 3, 8, 8))
        assert not network._forward_hooks
    assert shares == []
