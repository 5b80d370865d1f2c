from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from serpent_cli.model.config import PRESETS, ModelConfig
from serpent_cli.model.limits import effective_margin, flops, scan_macs, size_multiple
from serpent_cli.model.unet import build_model
from serpent_cli.ops.flops import scan_flops

WIDTHS = (8, 16, 32, 24)


class Shift(nn.Module):
    """Every pixel also looks `reach` pixels to its left, and sees black where nothing is."""

    def __init__(self, reach: int, weight: float = 0.5, scale: int = 1) -> None:
        super().__init__()
        self.reach, self.weight, self.scale = reach, weight, scale

    def forward(self, x: Tensor) -> Tensor:
        y = x.clone()
        y[..., self.reach :] += self.weight * x[..., : x.shape[-1] - self.reach]
        return y.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)


@pytest.mark.parametrize(("patch", "multiple"), [(1, 8), (2, 16), (4, 32)])
def test_inputs_are_multiples_of_the_coarsest_token(patch: int, multiple: int) -> None:
    config = ModelConfig(patch_size=patch, widths=(8, 8, 8, 8))
    assert size_multiple(config) == multiple
    build_model(config)(torch.rand(1, 3, multiple, multiple))
    with pytest.raises(RuntimeError):
        build_model(config)(torch.rand(1, 3, multiple, multiple + multiple // 2))


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"gate": False, "feed_forward": 4.0},
        {"feed_forward": 2.0, "feed_forward_from": 2},
        {"feed_forward": 3.0, "feed_forward_kind": "frequency", "feed_forward_from": 1},
        {"join": "concat", "scale": 8, "patch_size": 1},
        {"state_size": 4, "depths_down": (2, 1, 1), "depths_up": (1, 1, 3), "depth_bottleneck": 2},
        {"mixer": "spatial"},
        {"mixer": "spatial", "gate": False, "feed_forward": 2.0},
    ],
    ids=str,
)
def test_operations_are_those_that_torch_counts(form: dict[str, Any]) -> None:
    config = ModelConfig(widths=WIDTHS, **form)
    model = build_model(config).train()  # the spatial mixer's 27 taps; 25 of them are counted
    h, w = 2 * size_multiple(config), 3 * size_multiple(config)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.rand(1, 3, h, w))
    counted = counter.get_flop_counts()["Global"]
    assert any("cross_scan" in str(op) for op in counted), f"{scan_flops} is counted too"
    total = counter.get_total_flops() / 2
    if config.mixer == "spatial":
        total -= spatial_excess(config, h, w)
    assert flops(config, h, w) == pytest.approx(total, rel=1e-6)


def spatial_excess(config: ModelConfig, height: int, width: int) -> float:
    """What torch counts and our formula leaves out: two shared centre taps of every block."""
    c, down, up = config.widths, config.depths_down, config.depths_up
    tokens = [height * width // config.patch_size**2 // 4**level for level in range(4)]
    blocks = [(c[i], tokens[i], down[i]) for i in range(3)]
    blocks += [(c[i + 1], tokens[i + 1], up[i]) for i in range(3)]
    blocks += [(c[3], tokens[3], config.depth_bottleneck)]
    return sum(2 * config.inner(width) * count * depth for width, count, depth in blocks)


def test_the_scan_s_operations_follow_the_published_formula() -> None:
    assert scan_macs(tokens=100, inner=96, paths=4, state_size=16, rank=6) == 100 * 96 * 4 * 78


def test_operations_grow_with_the_picture() -> None:
    config = PRESETS["small"]
    assert flops(config, 512, 512) == 4 * flops(config, 256, 256)
    assert 1e9 < flops(config, 512, 512) < 100e9


@pytest.mark.parametrize("reach", [0, 1, 20, 45])
@pytest.mark.parametrize("scale", [1, 2])
def test_the_margin_of_a_known_network_is_its_reach(reach: int, scale: int) -> None:
    config = ModelConfig(patch_size=1, widths=(8, 8, 8, 8), scale=scale)
    pictures = torch.rand(2, 3, 64, 128, generator=torch.Generator().manual_seed(0)) + 0.01
    assert effective_margin(Shift(reach, scale=scale), config, pictures) == reach


def test_what_moves_less_than_half_a_level_is_no_margin() -> None:
    config = ModelConfig(patch_size=1, widths=(8, 8, 8, 8))
    pictures = torch.full((1, 3, 64, 128), 0.9)
    assert effective_margin(Shift(40, weight=0.4 / 255), config, pictures) == 0
    assert effective_margin(Shift(40, weight=40 / 255), config, pictures) == 40


@pytest.mark.parametrize("mixer", ["ss2d", "spatial"])
def test_the_margin_of_a_network_reaches_beyond_its_convolutions(
    mixer: str, network_for: Callable[..., nn.Module]
) -> None:
    config = ModelConfig(widths=(8, 16, 16, 16), mixer=mixer)  # pyright: ignore
    pictures = torch.rand(1, 3, 32, 256, generator=torch.Generator().manual_seed(0))
    margin = effective_margin(network_for(config), config, pictures)
    assert 1 <= margin <= 256
    assert margin >= effective_margin(network_for(config), config, pictures, level=0.1)
