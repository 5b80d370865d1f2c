"""Token mixers against their definitions, written out once more here."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.mixers.selective import SelectiveParameters, initial_delta, inverse_softplus
from serpent_cli.model.mixers.spatial import Spatial, StateFusion
from serpent_cli.model.mixers.ss2d import SS2D


def scanned(u: Tensor, dbc: Tensor, p: SelectiveParameters, k: int, observe: bool) -> Tensor:
    """S6 along rows, top to bottom: (L, D), (L, R + 2N) to y (L, D), or the state (L, D)."""
    d, n = u.shape[1], p.A_log.shape[-1]
    rank = p.dt_weight.shape[1]
    state, ys = torch.zeros(d, n), []
    for token, features in zip(u, dbc, strict=True):
        delta = functional.softplus(features[:rank] @ p.dt_weight[k] + p.dt_bias[k])
        b = features[rank : rank + n]
        decay = torch.exp(delta[:, None] * -p.A_log[k].exp())
        state = decay * state + (delta * token)[:, None] * b
        ys.append(state @ features[rank + n :] if observe else state[:, 0])
    return torch.stack(ys)


@pytest.fixture
def tokens() -> Tensor:
    return torch.randn(1, 5, 6, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("gate", "state_size"), [(True, 1), (False, 2)])
@torch.no_grad()
def test_ss2d_is_its_equations(gate: bool, state_size: int, tokens: Tensor) -> None:
    torch.manual_seed(0)
    mixer = SS2D(ModelConfig(gate=gate, state_size=state_size), 8)
    mixer.scan.D_skip.normal_()
    u = functional.linear(tokens, mixer.project_in.weight).permute(0, 3, 1, 2)
    u = functional.conv2d(u, mixer.conv.weight, mixer.conv.bias, padding=1, groups=16)
    u = functional.silu(u)[0].permute(1, 2, 0)
    h, w, d = u.shape
    paths = [
        (lambda x: x.reshape(h * w, -1), lambda y: y.reshape(h, w, d)),
        (lambda x: x.transpose(0, 1).reshape(h * w, -1),
         lambda y: y.reshape(w, h, d).transpose(0, 1)),
        (lambda x: x.reshape(h * w, -1).flip(0), lambda y: y.flip(0).reshape(h, w, d)),
        (lambda x: x.transpose(0, 1).reshape(h * w, -1).flip(0),
         lambda y: y.flip(0).reshape(w, h, d).transpose(0, 1)),
    ]  # fmt: skip
    y = torch.zeros(h, w, d)
    for k, (unroll, roll) in enumerate(paths):
        dbc = u @ mixer.scan.weight[k].T
        y += roll(scanned(unroll(u), unroll(dbc), mixer.scan, k, observe=True))
        y += mixer.scan.D_skip[k] * u
    y = functional.layer_norm(y, (d,))
    if mixer.project_gate is not None:
        y = y * functional.silu(mixer.project_gate(tokens[0]))
    expected = functional.linear(y, mixer.project_out.weight)
    torch.testing.assert_close(mixer(tokens)[0], expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_spatial_is_its_equations(tokens: Tensor) -> None:
    torch.manual_seed(0)
    mixer = Spatial(ModelConfig(mixer="spatial"), 8)
    mixer.fusion.kernels.normal_()
    mixer.fusion.alpha.normal_()
    u = functional.linear(tokens, mixer.project_in.weight).permute(0, 3, 1, 2)
    u = functional.conv2d(u, mixer.conv.weight, mixer.conv.bias, padding=1, groups=16)
    u = functional.silu(u)[0].permute(1, 2, 0)
    h, w, d = u.shape
    dbc = (u @ mixer.scan.weight[0].T).reshape(h * w, -1)
    state = scanned(u.reshape(h * w, d), dbc, mixer.scan, 0, observe=False).reshape(h, w, d)
    fused = torch.zeros(h, w, d)
    for i, dilation in enumerate((1, 3, 5)):
        for y in range(h):
            for x in range(w):
                for dy in (-1, 0, 1):
                    for dx in (-1, 0, 1):
                        row = min(max(y + dy * dilation, 0), h - 1)
                        column = min(max(x + dx * dilation, 0), w - 1)
                        tap = mixer.fusion.kernels[i, :, 0, dy + 1, dx + 1]
                        fused[y, x] += mixer.fusion.alpha[i] * tap * state[row, column]
    out = fused * dbc[:, -1].reshape(h, w, 1) + mixer.scan.D_skip[0] * u
    out = functional.layer_norm(out, (d,)) * functional.silu(mixer.project_gate(tokens[0]))
    expected = functional.linear(out, mixer.project_out.weight)
    torch.testing.assert_close(mixer(tokens)[0], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (3, 11), (16, 24)])
@torch.no_grad()
def test_the_merged_kernel_is_the_dilated_ones(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    fusion = StateFusion(6)
    fusion.kernels.normal_()
    fusion.alpha.normal_()
    h = torch.randn(2, 6, *size)
    torch.testing.assert_close(fusion.eval()(h), fusion.train()(h), atol=1e-5, rtol=1e-5)
    taps = (fusion.merged() != 0).sum((1, 2, 3))
    assert taps.tolist() == [25] * 6


@torch.no_grad()
def test_the_merged_kernel_follows_its_parameters() -> None:
    fusion, h = StateFusion(2).eval(), torch.rand(1, 2, 8, 8)
    before = fusion(h)
    fusion.alpha.mul_(2)
    torch.testing.assert_close(fusion(h), 2 * before)


@pytest.mark.parametrize(("states", "low", "high"), [(16, 1e-3, 0.1), (1, 2e-3, 0.7)])
def test_the_first_time_scales(states: int, low: float, high: float) -> None:
    torch.manual_seed(0)
    delta = initial_delta(4, 4096, states)
    assert 0.999 * low <= delta.min() < 1.01 * low
    assert 0.99 * high < delta.max() <= 1.001 * high
    logs = delta.log()
    assert math.isclose(logs.mean(), (math.log(low) + math.log(high)) / 2, abs_tol=0.06)
    torch.testing.assert_close(functional.softplus(inverse_softplus(delta)), delta)


def test_the_states_decay_at_whole_rates() -> None:
    parameters = SelectiveParameters(5, 3, 2, 4)
    torch.testing.assert_close(parameters.A_log.exp()[2, 4], torch.tensor([1.0, 2.0, 3.0]))
    assert torch.equal(parameters.D_skip, torch.ones(4, 5))
