"""SSUMamba's orders, layer and network against its authors' numbers, see conftest.py."""

import pytest
import torch

from serpent_cli.model.hyperspectral.orders import ORDERS, from_order, to_order
from serpent_cli.model.hyperspectral.ssumamba import CubeScan, SSUMamba, SSUMambaConfig
from serpent_cli.ops.backend import use_backend

NARROW = SSUMambaConfig(widths=(4, 6, 6, 8, 8, 12))


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 2, 3), (3, 3, 3)])
def test_a_snake_is_theirs(shape, given):
    order = given("ssumamba_layer")["order_{}x{}x{}".format(*shape)]
    count = torch.arange(order.numel()).view(1, *shape, 1)
    assert to_order(count, "thw").flatten().tolist() == order.tolist()


@pytest.mark.parametrize("order", ORDERS)
def test_a_snake_visits_every_place_once_and_steps_to_neighbours(order):
    shape = (3, 4, 5)
    places = torch.stack(torch.meshgrid(*map(torch.arange, shape), indexing="ij"), -1)[None]
    sequence = to_order(places, order)
    assert (sequence.diff(dim=1).abs().sum(-1) == 1).all()
    torch.testing.assert_close(from_order(sequence, order, shape), places)


@pytest.mark.parametrize("backend", ["reference", "chunked"])
@pytest.mark.parametrize("order", ORDERS)
@torch.no_grad()
def test_a_layer_gives_its_authors_numbers(order, backend, given, filled, close):
    oracle = given("ssumamba_layer")
    oracle |= {f"w.norm.{part}": oracle[f"norm_{part}"] for part in ("weight", "bias")}
    layer = filled("ssumamba", CubeScan(3, 2, order), oracle)
    with use_backend(backend):
        y = layer(oracle["x"].permute(0, 2, 3, 4, 1))
    close(y.permute(0, 4, 1, 2, 3), oracle[f"y_{order}"])


@torch.no_grad()
def test_the_network_gives_its_authors_numbers(given, filled, random_input, same_output):
    oracle = given("net_ssumamba_narrow")
    network = filled("ssumamba", SSUMamba(NARROW), oracle)
    x = random_input(oracle)
    exact = network(x)
    same_output(exact, oracle)
    # With such weights norms of few numbers enlarge what fp32 rounds away, by any backend.
    network.float()
    errors = {}
    for backend in ("reference", "native"):
        with use_backend(backend):
            errors[backend] = (network(x.float()) - exact).abs().max().item()
    assert errors["native"] < 2 * errors["reference"] < 0.01


def test_it_has_as_many_parameters_as_theirs(parameters):
    unused = sum(33 * 32 if width == 32 else 32 * width + 32 for width in (128, 128, 64, 64))
    assert (parameters(SSUMamba) + unused) / 1e6 == pytest.approx(10.372, abs=5e-4)


def test_all_of_it_learns():
    torch.manual_seed(0)
    network = SSUMamba(NARROW)
    network(torch.rand(1, 3, 8, 16)).square().mean().backward()
    silent = {name for name, p in network.named_parameters() if p.grad is None}
    assert not silent


@torch.no_grad()
def test_it_takes_any_number_of_bands():
    network = SSUMamba(NARROW).eval()
    for bands in (1, 2, 7):
        assert network(torch.rand(1, bands, 16, 8)).shape == (1, bands, 16, 8)
