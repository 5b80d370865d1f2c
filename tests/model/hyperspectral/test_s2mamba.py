"""S²Mamba's scans, gated layer and network against its authors' numbers, see conftest.py."""

import pytest
import torch

from serpent_cli.model.hyperspectral.s2mamba import S2Mamba, S2MambaConfig, S2MambaLayer
from serpent_cli.ops.backend import use_backend


@pytest.mark.parametrize("backend", ["reference", "chunked"])
@torch.no_grad()
def test_both_scans_give_their_authors_numbers(backend, given, filled, close):
    oracle = given("s2mamba_layer")
    layer = filled("s2mamba", S2MambaLayer(4, 2, 9), oracle)
    with use_backend(backend):
        x = layer.norm(oracle["x"])
        close(layer.spatial(x), oracle["pcs"])
        close(layer.spectral(x), oracle["bss_corrected"])
        layer.spectral.as_published = True
        close(layer.spectral(x), oracle["bss_published"])


@torch.no_grad()
def test_the_gated_layer_gives_its_authors_numbers(given, filled, close):
    oracle = given("s2mamba_layer")
    layer = filled("s2mamba", S2MambaLayer(4, 2, 9, as_published=True), oracle)
    close(layer(oracle["x"]), oracle["y_published"])


@torch.no_grad()
def test_the_network_gives_its_authors_numbers(given, filled, random_input, same_output):
    oracle = given("net_s2mamba_dim16")
    config = S2MambaConfig(bands=20, classes=5, patch=7, width=16, as_published=True)
    network = filled("s2mamba", S2Mamba(config), oracle)
    same_output(network(random_input(oracle)), oracle)


@pytest.mark.parametrize(
    ("bands", "classes", "patch", "millions"),
    [(200, 16, 7, 0.119), (270, 9, 9, 0.126)],  # Indian Pines, LongKou
)
def test_it_has_as_many_parameters_as_theirs(bands, classes, patch, millions, parameters):
    count = parameters(lambda: S2Mamba(S2MambaConfig(bands, classes, patch)))
    assert count / 1e6 == pytest.approx(millions, abs=5e-4)


def test_all_of_it_learns():
    torch.manual_seed(0)
    network = S2Mamba(S2MambaConfig(bands=6, classes=3, patch=5, width=8))
    network(torch.rand(2, 6, 5, 5)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
