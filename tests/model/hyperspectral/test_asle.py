"""ASLE-SSM's scans against a walk through every place, and the network around them."""

import dataclasses

import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from serpent_cli.degrade.aperture import random_masks
from serpent_cli.degrade.cassi import measure, network_input
from serpent_cli.errors import ModelError
from serpent_cli.model.config import ASLE_DEPTH, ModelConfig
from serpent_cli.model.hyperspectral.asle import (
    CUBE,
    WINDOW,
    AcrossScan,
    Asle,
    AsleBlock,
    LocalScan,
)
from serpent_cli.model.limits import flops, size_multiple
from serpent_cli.model.unet import build_model
from serpent_cli.ops.flops import scan_flops
from serpent_cli.zoo.checkpoint import shapes_of

WIDTH, STATES, HEIGHT, BREADTH = 4, 3, 16, 24  # 2 x 3 windows, 4 x 6 cubes, 2 groups of bands
SMALL = ModelConfig(
    topology="asle", patch_size=1, channels=3, widths=(4, 8, 16), depth_bottleneck=0, state_size=2
)


def windows(height, breadth, side):
    """Upper left places of the windows, row by row."""
    return [(i, j) for i in range(0, height, side) for j in range(0, breadth, side)]


def snake(lines):
    """Every second line backwards; all in one row."""
    return [at for i, line in enumerate(lines) for at in (line if i % 2 == 0 else line[::-1])]


def local_tokens(height, breadth, channels):
    """For each token in its order: the indices (row, column, channel) of its numbers."""
    lines = [
        [[(i + a, j + b, c) for c in range(channels)] for b in range(WINDOW)]
        for i, j in windows(height, breadth, WINDOW)
        for a in range(WINDOW)
    ]
    return snake(lines)


def across_tokens(height, breadth, channels):
    """The same, where a token is a window of one band."""
    lines = [
        [[(i + a, j + b, c) for a in range(CUBE) for b in range(CUBE)] for c in range(g, g + 4)]
        for g in range(0, channels, 4)
        for i, j in windows(height, breadth, CUBE)
    ]
    return snake(lines)


def walked(u, tokens, p):
    """The scan of (H, W, 2 C), one token after the other, from its equations."""
    y = torch.zeros_like(u)
    for k, order in enumerate((tokens, tokens[::-1])):
        rank, state = p.dt_weight.shape[1], 0
        for token in order:
            at = tuple(torch.tensor(axis) for axis in zip(*token, strict=True))
            r, b, c = (p.weight[k] @ u[at]).split((rank, STATES, STATES))
            delta = functional.softplus(r @ p.dt_weight[k] + p.dt_bias[k]).unsqueeze(1)
            state = torch.exp(-delta * p.A_log[k].exp()) * state + delta * u[at].unsqueeze(1) * b
            y[at] += state @ c + p.D_skip[k] * u[at]
    return y


@pytest.mark.parametrize(
    ("kind", "tokens"), [(LocalScan, local_tokens), (AcrossScan, across_tokens)]
)
@torch.no_grad()
def test_a_scan_is_a_walk_through_windows(kind, tokens):
    torch.manual_seed(0)
    scan = kind(WIDTH, STATES).double()
    u = torch.randn(HEIGHT, BREADTH, 2 * WIDTH, dtype=torch.float64)
    assert ASLE_DEPTH == 4
    for map_, p in ((u, scan.scan), (u.transpose(0, 1).contiguous(), scan.scan_columns)):
        expected = walked(map_, tokens(*map_.shape), p)
        torch.testing.assert_close(scan.along(map_[None], p)[0], expected, atol=1e-10, rtol=0)
    rows = walked(u, tokens(*u.shape), scan.scan)
    columns = walked(u.transpose(0, 1), tokens(BREADTH, HEIGHT, 2 * WIDTH), scan.scan_columns)
    both = scan.norm(rows + columns.transpose(0, 1))
    torch.testing.assert_close(scan.mixed(u[None])[0], both, atol=1e-10, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("kind", [LocalScan, AcrossScan])
def test_what_a_scan_has_seen_reaches_the_whole_map(kind):
    """Nothing starts anew at a window's border: a change in one corner is seen in all others."""
    torch.manual_seed(0)
    scan = kind(WIDTH, STATES).double()
    u = torch.randn(1, HEIGHT, BREADTH, 2 * WIDTH, dtype=torch.float64)
    changed = u.clone()
    changed[0, 0, 0] += 10
    assert (scan.mixed(changed) != scan.mixed(u)).any(-1).all()


@torch.no_grad()
@pytest.mark.parametrize("size", [(32, 32), (32, 96), (64, 32)])
def test_a_cube_is_as_large_as_its_snapshot(size):
    network = build_model(SMALL).eval()
    assert network(torch.rand(2, 6, *size)).shape == (2, 3, *size)


def test_gradients_of_a_block_are_those_of_finite_differences():
    """Of every parameter and of the input, along a random direction."""
    torch.manual_seed(0)
    block = AsleBlock(WIDTH, STATES).double()
    x, weight = torch.randn(2, 1, 8, 16, WIDTH, dtype=torch.float64)
    learnt = {"x": x.requires_grad_(), **dict(block.named_parameters())}

    def value():
        return (block(x) * weight).sum()

    slopes = torch.autograd.grad(value(), list(learnt.values()))
    step = 1e-5
    with torch.no_grad():
        for (name, tensor), slope in zip(learnt.items(), slopes, strict=True):
            direction = torch.randn_like(tensor)
            tensor += step * direction
            above = value()
            tensor -= 2 * step * direction
            below = value()
            tensor += step * direction
            numeric, exact = float(above - below) / (2 * step), float((slope * direction).sum())
            assert numeric == pytest.approx(exact, rel=1e-5, abs=1e-7), name
            assert exact != 0, name


def test_all_of_it_learns():
    torch.manual_seed(0)
    network = build_model(SMALL)
    network(torch.rand(1, 6, 32, 32)).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters())


def test_training_comes_nearer_to_the_cubes():
    torch.manual_seed(0)
    stream = torch.Generator().manual_seed(1)
    coarse = torch.rand(2, 1, 3, 4, 4, generator=stream)
    cubes = functional.interpolate(coarse, (3, 32, 32), mode="trilinear", align_corners=True)[:, 0]
    masks = random_masks(2, 32, 32, stream)
    shifted = network_input(measure(cubes, masks), 3)
    given = torch.cat((shifted, masks.unsqueeze(1).expand_as(shifted)), 1)
    network = build_model(SMALL)
    optimizer, losses = torch.optim.Adam(network.parameters(), 5e-3), []
    for _ in range(20):
        optimizer.zero_grad()
        loss = (network(given) - cubes).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_a_weight_file_describes_it(parameters):
    config = dataclasses.replace(
        SMALL, channels=28, widths=(28, 56, 112), depths_down=(1, 1, 2), depths_up=(1, 1, 2),
        state_size=1,
    )  # fmt: skip
    assert ModelConfig.from_dict(config.record()) == config
    assert parameters(lambda: build_model(config)) == parameters(Asle)
    assert shapes_of(config)["bottleneck.1.across.scan.A_log"] == (2, CUBE**2, 1)
    assert size_multiple(config) == 32


@pytest.mark.parametrize(
    "wrong",
    [
        {"widths": (5, 10, 20)},
        {"widths": (4, 8, 12)},
        {"depths_up": (1, 1, 2)},
        {"patch_size": 2},
        {"expand": 1.0},
        {"gate": False},
    ],
)
def test_sizes_that_it_cannot_have_are_refused(wrong):
    with pytest.raises(ModelError, match="topology asle needs"):
        dataclasses.replace(SMALL, **wrong)


@torch.no_grad()
def test_its_operations_are_counted_as_torch_counts_them():
    assert scan_flops, "its import tells the counter of the scan"
    with FlopCounterMode(display=False) as counter:
        build_model(SMALL).eval()(torch.rand(1, 6, 64, 32))
    assert flops(SMALL, 64, 32) == counter.get_total_flops() // 2
