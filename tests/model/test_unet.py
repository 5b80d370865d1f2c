"""The whole network: shapes of every form, identity at the start, gradients, batches."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from serpent_cli.model.config import PRESETS, ModelConfig
from serpent_cli.model.limits import size_multiple
from serpent_cli.model.unet import build_model, enlarge

WIDTHS = (8, 16, 16, 16)
FORMS: list[dict[str, Any]] = [
    {},
    {"gate": False, "feed_forward": 4.0},
    {"feed_forward": 2.0, "feed_forward_from": 2},
    {"feed_forward": 3.0, "feed_forward_kind": "frequency", "feed_forward_from": 1},
    {"border": "replicate"},
    {"mixer": "spatial"},
    {"mixer": "spatial", "gate": False, "feed_forward": 2.0},
    {"state_size": 3, "expand": 1.5},
    {"join": "concat", "depths_down": (1, 2, 1), "depths_up": (2, 1, 1), "depth_bottleneck": 2},
    {"patch_size": 1, "residual": "none"},
    {"patch_size": 4, "scale": 2},
]
Make = Callable[..., nn.Module]


def name(form: dict[str, Any]) -> str:
    return "-".join(f"{key}={value}" for key, value in form.items()) or "default"


@pytest.mark.parametrize("form", FORMS, ids=name)
def test_shapes_and_gradients_of_every_form(form: dict[str, Any], network_for: Make) -> None:
    config = ModelConfig(widths=WIDTHS, **form)
    model = network_for(config).train()
    h, w = 2 * size_multiple(config), 3 * size_multiple(config)
    output = model(torch.rand(2, 3, h, w))
    assert output.shape == (2, 3, h * config.scale, w * config.scale)
    assert output.dtype == torch.float32
    (output * torch.randn_like(output)).sum().backward()
    for label, parameter in model.named_parameters():
        assert parameter.grad is not None, label
        assert torch.isfinite(parameter.grad).all(), label
        assert parameter.grad.abs().max() > 0, f"{label} does not act on the output"


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("residual", ["image", "none"])
def test_a_residual_network_begins_as_the_identity(scale: int, residual: str) -> None:
    torch.manual_seed(0)
    config = ModelConfig(widths=WIDTHS, scale=scale, residual=residual)  # pyright: ignore
    x = torch.rand(1, 3, 16, 32)
    with torch.inference_mode():
        output = build_model(config)(x)
    begins = torch.equal(output, enlarge(x, scale))
    assert begins == (residual == "image")


@pytest.mark.parametrize("form", FORMS[:3], ids=name)
def test_a_picture_does_not_see_its_neighbours_in_the_batch(
    form: dict[str, Any], network_for: Make
) -> None:
    model = network_for(ModelConfig(widths=WIDTHS, **form))
    batch = torch.rand(3, 3, 32, 48)
    with torch.inference_mode():
        together = model(batch)
        for index in range(3):
            alone = model(batch[index : index + 1])
            torch.testing.assert_close(together[index : index + 1], alone, atol=1e-5, rtol=0)
        other = torch.rand(3, 3, 32, 48)
        other[1] = batch[1]
        torch.testing.assert_close(model(other)[1], together[1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("form", FORMS[:4], ids=name)
def test_inference_and_training_agree(form: dict[str, Any], network_for: Make) -> None:
    """Where no gradient is needed tensors are overwritten: the result must not change."""
    model = network_for(ModelConfig(widths=WIDTHS, **form))
    x = torch.rand(1, 3, 32, 32)
    before, kept = model.train()(x), x.clone()
    with torch.inference_mode():
        after = model.eval()(x)
    torch.testing.assert_close(after, before.detach(), atol=1e-5, rtol=0)
    assert torch.equal(x, kept), "the input is left alone"


def test_half_precision_stays_near_full(network_for: Make) -> None:
    model = network_for(ModelConfig(widths=WIDTHS))
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        full = model(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = model(x)
    assert half.dtype == torch.float32
    change = (full - x).square().mean().sqrt()
    assert (half - full).square().mean().sqrt() < 0.05 * change


def test_presets_grow_and_the_bundled_ones_stay_small() -> None:
    with torch.device("meta"):
        models = {name: build_model(config) for name, config in PRESETS.items()}
    counts = [sum(p.numel() for p in model.parameters()) for model in models.values()]
    assert list(models) == ["tiny", "small", "base", "large"]
    assert all(more > 1.5 * less for less, more in itertools.pairwise(counts))
    assert 4 * counts[1] < 10e6, "fp32 weights of `small` fit into the 10 MB of a bundled file"


def test_the_same_seed_gives_the_same_network() -> None:
    models: list[nn.Module] = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        models.append(build_model(ModelConfig(widths=WIDTHS)))
    first, same, other = (torch.cat([p.flatten() for p in m.parameters()]) for m in models)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_a_replicated_border_shows_on_no_flat_picture() -> None:
    flat = torch.tensor([0.0, 1.0, 0.2]).view(1, 3, 1, 1).expand(1, 3, 16, 24)
    spread = {}
    for border in ("zeros", "replicate"):
        torch.manual_seed(2)
        tokens = build_model(ModelConfig(widths=WIDTHS, border=border)).patchifier(flat)
        spread[border] = float((tokens - tokens[:, :1, :1]).detach().abs().max())
    assert spread["replicate"] < 1e-6 < 0.1 < spread["zeros"]
