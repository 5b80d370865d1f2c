"""How the weights move."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.training.optimizer import build_optimizers, learning_rate, move
from serpent_cli.training.recipe import OptimSection


def test_the_learning_rate_warms_up_and_falls() -> None:
    optim = OptimSection(steps=100, warmup=10, lr=1.0, lr_end=0.0)
    rates = [learning_rate(optim, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 1e-3


@pytest.mark.parametrize("muon", [False, True])
def test_every_weight_moves_by_one_optimizer(muon: bool) -> None:
    model = build_model(ModelConfig(widths=(8, 8, 8, 8)))
    optimizers = build_optimizers(model, OptimSection(muon=muon))
    moved = [
        id(parameter)
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    ]
    assert sorted(moved) == sorted(id(parameter) for parameter in model.parameters())
    kinds = {type(optimizer) for optimizer in optimizers}
    assert kinds == ({torch.optim.AdamW, torch.optim.Muon} if muon else {torch.optim.AdamW})


def test_cores_that_share_the_matrices_change_no_bit() -> None:
    moved: list[list[torch.Tensor]] = []
    with ThreadPoolExecutor(3) as pool:
        for in_turn in (map, pool.map):
            torch.manual_seed(0)
            model = build_model(ModelConfig(widths=(8, 8, 8, 8)))
            optimizers = build_optimizers(model, OptimSection(muon=True))
            before = [parameter.detach().clone() for parameter in model.parameters()]
            for parameter in model.parameters():
                parameter.grad = torch.randn_like(parameter)
            move(optimizers, 0.01, in_turn)
            after = [parameter.detach() for parameter in model.parameters()]
            assert not any(map(torch.equal, before, after))
            moved.append(after)
    assert all(map(torch.equal, *moved))


def test_muon_steps_along_orthogonal_matrices_of_adamw_s_size() -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(64, 32)
    optimizers = build_optimizers(model, OptimSection(muon=True))
    before = model.weight.detach().clone()
    scale = torch.logspace(-2, 0, 32)[:, None]  # AdamW's and plain steps would keep this spread
    model.weight.grad, model.bias.grad = torch.randn(32, 64) * scale, torch.randn(32)
    move(optimizers, 0.01)
    step = (model.weight - before).detach()
    singular = torch.linalg.svdvals(step)
    # Five rounds of Newton and Schulz bring every direction near one length, not exactly to it.
    assert float(singular.max() / singular.min()) < 3
    assert float(step.square().mean().sqrt()) == pytest.approx(0.2 * 0.01, rel=0.3)
