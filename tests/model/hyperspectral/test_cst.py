"""CST's attention, block and network against its authors' numbers, see conftest.py."""

import dataclasses

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from serpent_cli.errors import ModelError
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.hyperspectral.cst import CST, CSTConfig, SparseBlock
from serpent_cli.model.hyperspectral.hashed_attention import HashedAttention, draw_hash
from serpent_cli.model.limits import flops, size_multiple
from serpent_cli.model.unet import build_model
from serpent_cli.zoo.checkpoint import shapes_of


def hash_of(oracle):
    return oracle["alpha"], oracle["beta"]


@torch.no_grad()
def test_attention_gives_its_authors_numbers(given, filled, close):
    oracle = given("cst_sah_msa")
    attention = HashedAttention(4, int(oracle["heads"]), int(oracle["bucket"]))
    filled("cst", attention, oracle)
    close(attention(oracle["x"], hash_of(oracle)), oracle["y"])


@pytest.mark.parametrize("shift", [0, 2])
@torch.no_grad()
def test_a_block_gives_its_authors_numbers(shift, given, filled, close):
    oracle = given(f"cst_sahab_shift{shift}")
    block = SparseBlock(4, int(oracle["heads"]), shift, region=4)
    filled("cst", block, oracle)
    close(block(oracle["x"], oracle["mask"], hash_of(oracle)), oracle["y"])


@torch.no_grad()
def test_the_network_gives_its_authors_numbers(given, filled, random_input, same_output):
    oracle = given("net_cst_s")
    network = filled("cst", CST(), oracle)
    x, mask = random_input(oracle), random_input(oracle, "mask_seed")
    same_output(network(x, mask, hash_of(oracle)), oracle)
    _, detail = network.estimate(network.fuse(torch.cat((x, mask), 1)))
    torch.testing.assert_close(detail.mean(), oracle["error_map_mean"], atol=1e-10, rtol=0)
    torch.testing.assert_close(detail.std(), oracle["error_map_std"], atol=1e-10, rtol=0)


@pytest.mark.parametrize(
    ("depths", "estimators", "millions"),
    [((1, 1, 2), 1, 1.197), ((2, 2, 2), 1, 1.361), ((2, 4, 6), 2, 3.000)],
)
def test_it_has_as_many_parameters_as_theirs(depths, estimators, millions, parameters):
    count = parameters(lambda: CST(CSTConfig(depths=depths, estimators=estimators)))
    assert count / 1e6 == pytest.approx(millions, abs=5e-4)


def test_inference_repeats_and_training_draws_anew():
    torch.manual_seed(0)
    network, x = CST(), torch.rand(1, 28, 64, 128)
    with torch.no_grad():
        network.eval()
        assert torch.equal(network(x, x), network(x, x))
        network.train()
        assert not torch.equal(network(x, x), network(x, x))


def test_equal_tokens_keep_their_order():
    attention = HashedAttention(4, 2, 4)
    order = attention._order(torch.ones(1, 16, 4), draw_hash(2, torch.ones(1)))
    assert (order == torch.arange(16)).all()


def test_all_of_it_learns():
    torch.manual_seed(0)
    network, x = CST(CSTConfig(depths=(1, 2, 1))), torch.rand(1, 28, 64, 128)
    network(x, x).square().mean().backward()
    assert all(p.grad is not None for p in network.parameters())


@torch.no_grad()
def test_without_sparsity_every_region_is_attended_to():
    network = CST(CSTConfig(sparse=False)).eval()
    x = torch.rand(1, 28, 64, 64)
    assert network(x, x).shape == x.shape
    assert network.estimators[0].output.weight.shape[0] == 28


SMALL = ModelConfig(
    topology="cst", patch_size=1, channels=28, widths=(28, 56, 112), depths_down=(1, 1, 2),
    depths_up=(1, 1, 2), depth_bottleneck=0,
)  # fmt: skip


def test_a_weight_file_describes_it(parameters):
    assert ModelConfig.from_dict(SMALL.record()) == SMALL
    assert parameters(lambda: build_model(SMALL)) == parameters(CST)
    shapes = shapes_of(SMALL)
    assert shapes["bottleneck.1.mixer.project_q.weight"] == (336, 112)
    assert "bottleneck.2.mixer.project_q.weight" not in shapes
    assert size_multiple(SMALL) == 64


@pytest.mark.parametrize(
    "wrong",
    [{"widths": (28, 56, 110)}, {"depths_up": (1, 2, 2)}, {"patch_size": 2}, {"channels": 27}],
)
def test_sizes_that_it_cannot_have_are_refused(wrong):
    with pytest.raises(ModelError, match="topology cst needs"):
        dataclasses.replace(SMALL, **wrong)


@torch.no_grad()
def test_one_tensor_of_snapshot_and_mask_will_do():
    torch.manual_seed(0)
    network = build_model(SMALL).eval()
    x, mask = torch.rand(2, 1, 28, 64, 128)
    torch.testing.assert_close(network(torch.cat((x, mask), 1)), network(x, mask))


@pytest.mark.parametrize("estimators", [1, 2])
@torch.no_grad()
def test_its_operations_are_counted_as_torch_counts_them(estimators):
    config = dataclasses.replace(SMALL, estimators=estimators)
    network, x = build_model(config).eval(), torch.rand(1, 56, 128, 128)
    with FlopCounterMode(display=False) as counter:
        network(x)
    assert flops(config, 128, 128) == pytest.approx(counter.get_total_flops() / 2, rel=1e-3)
