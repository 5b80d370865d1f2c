"""CFSDCN's convolution, layer and network against its authors' numbers, see conftest.py."""

import pytest
import torch

from serpent_cli.model.hyperspectral.cfsdcn import CFSDCN, CFSDCNConfig, DeformableBlock
from serpent_cli.model.hyperspectral.deformable import DeformableConv, sampled


@torch.no_grad()
def test_the_convolution_gives_its_authors_numbers(given, filled, close):
    oracle = given("cfsdcn_dcnv3")
    conv = filled("cfsdcn", DeformableConv(6, int(oracle["groups"])), oracle)
    close(conv(oracle["x"]), oracle["y"])


@torch.no_grad()
def test_a_layer_gives_its_authors_numbers(given, filled, close):
    oracle = given("cfsdcn_layer")
    block = filled("cfsdcn", DeformableBlock(4, int(oracle["groups"])), oracle)
    close(block(oracle["x"]), oracle["y"])


@torch.no_grad()
def test_the_network_gives_its_authors_numbers(given, filled, random_input, same_output):
    oracle = given("net_cfsdcn_s")
    network = filled("cfsdcn", CFSDCN(), oracle)
    same_output(network(random_input(oracle), random_input(oracle, "mask_seed")), oracle)


@pytest.mark.parametrize(
    ("depths", "millions"), [((1, 2, 2), 0.698), ((2, 4, 6), 1.523), ((4, 8, 10), 2.559)]
)
def test_it_has_as_many_parameters_as_theirs(depths, millions, parameters):
    count = parameters(lambda: CFSDCN(CFSDCNConfig(depths=depths)))
    assert count / 1e6 == pytest.approx(millions, abs=5e-4)


def test_whole_offsets_move_the_map_and_reveal_zeros_beyond_it():
    v = torch.rand(1, 5, 6, 4, dtype=torch.float64)
    offsets = torch.zeros(1, 5, 6, 2, 9, 2, dtype=torch.float64)
    weights = torch.zeros(1, 5, 6, 2, 9, dtype=torch.float64)
    weights[..., 4] = 1  # the tap in the middle
    offsets[..., 0] = 1  # dx: from the pixel to the right
    y = sampled(v, offsets, weights)
    torch.testing.assert_close(y[:, :, :-1], v[:, :, 1:])
    assert (y[:, :, -1].abs() < 1e-12).all()


def test_gradients_are_finite_differences():
    torch.manual_seed(0)
    conv = DeformableConv(4, 2).double()
    for parameter in conv.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    x = torch.randn(1, 4, 5, 4, dtype=torch.float64, requires_grad=True)
    names, values = zip(*conv.named_parameters(), strict=True)

    def call(x, *values):
        return torch.func.functional_call(conv, dict(zip(names, values, strict=True)), x)

    assert torch.autograd.gradcheck(call, (x, *values), atol=1e-6, fast_mode=True)


@torch.no_grad()
def test_it_takes_oblong_snapshots():
    x = torch.rand(1, 28, 8, 12)
    assert CFSDCN()(x, x).shape == x.shape
