"""Gradient checkpointing: the same gradients, computed twice."""

import pytest
import torch
from torch import Tensor

from serpent_cli.model.block import Block
from serpent_cli.model.config import Mixer, ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.training.gradient import BatchGradient
from serpent_cli.training.recompute import recompute_blocks


def gradients(config: ModelConfig, recompute: bool, workers: int) -> tuple[list[Tensor], int]:
    """Gradients of one batch, and how often a block ran."""
    torch.manual_seed(0)
    model, runs = build_model(config), list[int]()
    with torch.no_grad():
        model.get_parameter("depatchifier.project.weight").normal_(std=0.1)
    names = [name for name, _ in model.named_parameters()]
    if recompute:
        recompute_blocks(model)
    assert [name for name, _ in model.named_parameters()] == names
    for module in model.modules():
        if isinstance(module, Block):
            module.register_forward_pre_hook(lambda *_: runs.append(1))

    def loss(degraded: Tensor, target: Tensor) -> Tensor:
        return (model(degraded) - target).square().mean()

    generator = torch.Generator().manual_seed(1)
    degraded, target = (torch.rand(4, 3, 16, 16, generator=generator) for _ in range(2))
    BatchGradient(loss, list(model.parameters()), workers)(degraded, target)
    return [p.grad for p in model.parameters() if p.grad is not None], len(runs)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("mixer", ["ss2d", "spatial"])
def test_recomputed_gradients_are_the_same_bit_by_bit(mixer: Mixer, workers: int) -> None:
    config = ModelConfig(widths=(8, 8, 8, 8), mixer=mixer, feed_forward=1.0)
    plain, runs = gradients(config, False, workers)
    again, more_runs = gradients(config, True, workers)
    assert len(plain) == len(again) > 0
    assert all(torch.equal(a, b) for a, b in zip(plain, again, strict=True))
    assert more_runs == 2 * runs
