"""CFSDCN's convolution, layer and network against its authors' numbers, see conftest.py."""

import dataclasses

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from serpent_cli.errors import ModelError
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.hyperspectral.cfsdcn import CFSDCN, CFSDCNConfig, DeformableBlock
from serpent_cli.model.hyperspectral.deformable import DeformableConv, sampled
from serpent_cli.model.limits import flops, size_multiple
from serpent_cli.model.unet import build_model
from serpent_cli.zoo.checkpoint import shapes_of


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


SMALL = ModelConfig(
    topology="cfsdcn", patch_size=1, channels=28, widths=(28, 56, 112), depths_down=(1, 2, 2),
    depths_up=(1, 2, 2), depth_bottleneck=0,
)  # fmt: skip


def test_a_weight_file_describes_it(parameters):
    assert ModelConfig.from_dict(SMALL.record()) == SMALL
    assert parameters(lambda: build_model(SMALL)) == parameters(CFSDCN)
    assert shapes_of(SMALL)["bottleneck.1.mixer.project_in.weight"] == (112, 112)
    assert size_multiple(SMALL) == 4


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"widths": (28, 56, 110)}, "topology cfsdcn needs"),
        ({"depths_up": (1, 1, 2)}, "topology cfsdcn needs"),
        ({"widths": (27, 54, 108)}, "that 7 divides"),
        ({"estimators": 2}, "topology cfsdcn needs"),
        ({"scale": 2}, "topology cfsdcn needs"),
    ],
)
def test_sizes_that_it_cannot_have_are_refused(wrong, words):
    with pytest.raises(ModelError, match=words):
        dataclasses.replace(SMALL, **wrong)


@torch.no_grad()
def test_one_tensor_of_snapshot_and_mask_will_do():
    torch.manual_seed(0)
    network = build_model(SMALL).eval()
    x, mask = torch.rand(2, 1, 28, 8, 12)
    torch.testing.assert_close(network(torch.cat((x, mask), 1)), network(x, mask))


@torch.no_grad()
def test_its_operations_are_counted_as_torch_counts_them():
    network, x = build_model(SMALL).eval(), torch.rand(1, 56, 32, 48)
    with FlopCounterMode(display=False) as counter:
        network(x)
    assert flops(SMALL, 32, 48) == pytest.approx(counter.get_total_flops() / 2, rel=1e-3)
