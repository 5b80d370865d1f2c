"""The gradient of a batch: the same however many cores share it."""

import pytest
import torch
from torch import Tensor

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.training.gradient import BatchGradient
from serpent_cli.training.loss import restoration_loss


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    model = build_model(ModelConfig(widths=(8, 8, 8, 8)))
    with torch.no_grad():  # the head starts at zero, which would stop every gradient before it
        model.get_parameter("depatchifier.project.weight").normal_(std=0.1)
    return model


def gradient_of(
    model: torch.nn.Module, workers: int, crops: int, rounds: int = 1
) -> tuple[Tensor, list[Tensor]]:
    def loss(degraded: Tensor, target: Tensor) -> Tensor:
        return restoration_loss(model(degraded), target, 1e-3, 0.05)

    generator = torch.Generator().manual_seed(1)
    degraded, target = (torch.rand(crops, 3, 16, 16, generator=generator) for _ in range(2))
    gradient = BatchGradient(loss, list(model.parameters()), workers, rounds)
    with gradient.one_core_per_share():
        value = gradient(degraded, target)
    return value, [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize(
    ("workers", "crops", "rounds"),
    [(2, 4, 1), (2, 5, 1), (3, 2, 1), (4, 4, 1), (1, 5, 3), (2, 6, 2)],
)
def test_shares_and_rounds_add_up_to_the_batch(
    model: torch.nn.Module, workers: int, crops: int, rounds: int
) -> None:
    value, gradients = gradient_of(model, workers, crops, rounds)
    whole, expected = gradient_of(model, 1, crops)
    assert value.item() == pytest.approx(whole.item(), rel=1e-5)
    assert len(gradients) == len(expected) == len(list(model.parameters()))
    for mine, theirs in zip(gradients, expected, strict=True):
        assert (mine - theirs).norm() <= 1e-4 * theirs.norm() + 1e-9


def test_gradients_are_laid_out_as_their_parameters(model: torch.nn.Module) -> None:
    # A fused AdamW walks both by the parameter's strides, and would learn a transposed gradient.
    for workers in (1, 2):
        gradient_of(model, workers, 2)
        for parameter in model.parameters():
            assert parameter.grad is not None
            assert parameter.grad.stride() == parameter.stride()


def test_shares_leave_the_number_of_threads_as_it_was(model: torch.nn.Module) -> None:
    before = torch.get_num_threads()
    gradient_of(model, 2, 2)
    assert torch.get_num_threads() == before


def test_a_repeated_gradient_is_the_same_bit_by_bit(model: torch.nn.Module) -> None:
    _, first = gradient_of(model, 2, 4)
    _, second = gradient_of(model, 2, 4)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_rounds_never_see_more_than_their_crops() -> None:
    seen: list[int] = []
    weight = torch.ones(1, requires_grad=True)

    def loss(degraded: Tensor, target: Tensor) -> Tensor:
        seen.append(len(degraded))
        return (weight * degraded - target).square().mean()

    BatchGradient(loss, [weight], 1, rounds=3)(torch.rand(7, 3, 4, 4), torch.rand(7, 3, 4, 4))
    assert sorted(seen) == [2, 2, 3]
