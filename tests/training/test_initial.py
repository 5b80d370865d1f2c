"""Starting from finished weights: a deeper network begins as the finished one."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from serpent_cli.errors import ModelError
from serpent_cli.model.config import Mixer, ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.training.initial import start_from

SMALL = ModelConfig(widths=(8, 8, 8, 8))


def finished(config: ModelConfig) -> nn.Module:
    torch.manual_seed(0)
    model = build_model(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.05)
    return model


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("mixer", ["ss2d", "spatial"])
@pytest.mark.parametrize(
    "feed_forward",
    [{}, {"feed_forward": 2.0}, {"feed_forward": 2.0, "feed_forward_kind": "frequency"}],
    ids=str,
)
def test_a_deeper_network_starts_with_the_same_pictures(
    mixer: Mixer, feed_forward: dict[str, Any]
) -> None:
    config = replace(SMALL, mixer=mixer, **feed_forward)
    shallow = finished(config)
    deep = build_model(
        replace(config, depths_down=(1, 2, 1), depth_bottleneck=2, depths_up=(3, 1, 2))
    )
    start_from(deep, weights_of(shallow))
    picture = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(deep(picture), shallow(picture))


def test_added_blocks_learn() -> None:
    deep = build_model(replace(SMALL, depths_up=(2, 1, 1)))
    start_from(deep, weights_of(finished(SMALL)))
    deep(torch.rand(1, 3, 32, 32)).square().mean().backward()
    added = deep.get_parameter("u1.blocks.1.mixer.project_out.weight")
    assert added.grad is not None
    assert added.grad.norm() > 0


@pytest.mark.parametrize(
    "config", [replace(SMALL, widths=(16, 8, 8, 8)), replace(SMALL, feed_forward=1.0)]
)
def test_weights_of_another_network_are_refused(config: ModelConfig) -> None:
    with pytest.raises(ModelError, match="do not fit the recipe's network"):
        start_from(build_model(config), weights_of(finished(SMALL)))


def test_a_network_of_another_scale_keeps_everything_but_the_last_layer() -> None:
    weights = weights_of(finished(replace(SMALL, scale=2)))
    model = build_model(replace(SMALL, scale=4))
    start_from(model, weights)
    for name, tensor in model.state_dict().items():
        if name.startswith("depatchifier."):
            assert not tensor.any(), "the last layer should start at zero: bicubic enlargement"
        else:
            assert torch.equal(tensor, weights[name]), name


def test_a_shallower_network_keeps_the_first_blocks() -> None:
    deep = finished(replace(SMALL, depth_bottleneck=3, depths_up=(2, 1, 1)))
    kept = weights_of(deep)
    shallow = build_model(replace(SMALL, depth_bottleneck=2))
    start_from(shallow, kept)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in shallow.state_dict().items())
    assert kept.keys() - shallow.state_dict().keys()


def test_coarser_scales_may_be_wider() -> None:
    """What has its own shape keeps its weights; what touches another width starts afresh."""
    weights = weights_of(finished(SMALL))
    model = build_model(replace(SMALL, widths=(8, 8, 16, 24)))
    fresh = weights_of(model)
    start_from(model, weights)
    kept = {name for name, tensor in fresh.items() if tensor.shape == weights[name].shape}
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, weights[name] if name in kept else fresh[name]), name
    assert any(name.startswith("d1.blocks.") for name in kept)
    assert not any(name.startswith("b.") and name.endswith("project_in.weight") for name in kept)


def test_a_network_for_cubes_starts_as_one_for_photographs() -> None:
    """Its first three axes are brightness and two differences of colours, about a middle grey."""
    photographs = finished(replace(SMALL, border="replicate"))
    cubes = build_model(replace(SMALL, border="replicate", channels=5))
    start_from(cubes, weights_of(photographs))
    picture = torch.rand(1, 3, 32, 32)
    mixing = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]])
    mixing /= mixing.norm(dim=1, keepdim=True)
    axes = torch.zeros(1, 5, 32, 32)
    axes[:, :3] = torch.einsum("kc,bchw->bkhw", mixing, picture - 0.5)
    axes[:, 3:] = torch.rand(1, 2, 32, 32)
    with torch.no_grad():
        made, wanted = cubes(axes), photographs(picture)
    back = torch.einsum("kc,bkhw->bchw", mixing, made[:, :3]) + 0.5
    torch.testing.assert_close(back, wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(made[:, 3:], axes[:, 3:])  # and these are left alone
    assert (wanted - picture).abs().max() > 0.01


def test_other_axes_learn_too() -> None:
    cubes = build_model(replace(SMALL, channels=5))
    start_from(cubes, weights_of(finished(SMALL)))
    cubes(torch.rand(1, 5, 32, 32)).square().mean().backward()
    last = cubes.get_parameter("depatchifier.project.weight").grad
    assert last is not None
    assert last.unflatten(0, (5, 4))[3:].abs().amax() > 0
