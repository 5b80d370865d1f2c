"""The Wiener filter against its closed form, and the network around it."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from serpent_cli.degrade.aperture import random_masks
from serpent_cli.degrade.cassi import adjoint, gain, measure, measurement_of, network_input
from serpent_cli.errors import ModelError
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.hyperspectral import wiener as filter_of
from serpent_cli.model.hyperspectral.wiener import wiener
from serpent_cli.model.limits import flops, size_multiple
from serpent_cli.model.unet import build_model
from serpent_cli.ops.flops import scan_flops
from serpent_cli.restoration.gap_tv import gap_tv
from serpent_cli.zoo.checkpoint import Weights, save_weights, shapes_of

BANDS, HEIGHT, WIDTH = 4, 6, 7
CONFIG = ModelConfig(
    topology="unfolding", turns=2, channels=BANDS, widths=(8, 12, 16, 20), border="replicate"
)


@pytest.fixture
def stream():
    return torch.Generator().manual_seed(1)


def scenes(stream, count=2, height=HEIGHT, width=WIDTH, bands=BANDS):
    """Cubes that are smooth in space and spectrum, and their snapshots."""
    coarse = torch.rand(count, 1, 3, 3, 3, generator=stream)
    fine = torch.nn.functional.interpolate(
        coarse, (bands, height, width), mode="trilinear", align_corners=True
    )[:, 0]
    masks = random_masks(count, height, width, stream)
    return fine, masks, measure(fine, masks)


def given(y, masks, bands=BANDS):
    shifted = network_input(y, bands)
    return torch.cat((shifted, masks.unsqueeze(1).expand_as(shifted)), 1)


def test_the_estimate_is_that_of_its_closed_form(stream, monkeypatch):
    """C and Φ as matrices, from their definitions; nothing is left out and all turns are made."""
    monkeypatch.setattr(filter_of, "FORGOTTEN", 0.0)
    _, masks, y = (x[:1].double() for x in scenes(stream))
    sides = (HEIGHT + filter_of.APART, WIDTH + filter_of.APART)
    f = [torch.fft.fftfreq(side, dtype=torch.float64) for side in sides]
    power = (f[0][:, None] ** 2 + f[1] ** 2 + filter_of.COARSEST**2) ** -1.5
    alike = torch.fft.ifft2(power / power.mean()).real  # of pixels so far apart
    at = torch.cartesian_prod(torch.arange(HEIGHT), torch.arange(WIDTH))
    away = at[:, None] - at
    pixels = alike[away[..., 0], away[..., 1]]
    k = torch.arange(BANDS, dtype=torch.float64)
    apart = (k[:, None] - k) / max(1.0, filter_of.ALIKE * BANDS)
    between = (1 + torch.exp(-(apart**2) / 2)) / 2
    prior = filter_of.VARIANCE * torch.kron(between, pixels)
    unit = torch.eye(BANDS * HEIGHT * WIDTH, dtype=torch.float64)
    phi = measure(unit.view(-1, BANDS, HEIGHT, WIDTH), masks[0]).flatten(1).T
    even = phi.sum(1)
    grey = (y.flatten() @ even) / (even @ even)
    noise = filter_of.NOISE**2 * torch.eye(len(phi), dtype=torch.float64)
    told = torch.linalg.solve(phi @ prior @ phi.T + noise, y.flatten() - grey * even)
    expected = (grey + prior @ phi.T @ told).view(1, BANDS, HEIGHT, WIDTH)
    made = wiener(y.float(), masks.float(), BANDS, turns=60, passes=1)
    torch.testing.assert_close(made, expected.float(), atol=2e-4, rtol=0)


def test_more_turns_come_nearer_and_a_few_are_nearer_than_gap_tv(stream):
    cubes, masks, y = scenes(stream, 1, 48, 48, 28)
    errors = [
        float((made - cubes).square().mean())
        for made in (wiener(y, masks, 28, turns=60), wiener(y, masks, 28), gap_tv(y, masks[0], 28))
    ]
    assert errors[0] < errors[1] < errors[2]


def test_a_second_pass_knows_the_scene_s_own_spectra(stream):
    maps, masks, _ = scenes(stream, 2, 40, 48, 2)
    bands = torch.arange(28)
    spectra = torch.stack([torch.exp(-((bands - at) ** 2) / 50) for at in (6, 20)])
    cubes = torch.einsum("bmhw,mt->bthw", maps, spectra)
    y = measure(cubes, masks)
    once, twice = (
        (wiener(y, masks, 28, passes=passes) - cubes).square().mean((1, 2, 3)) for passes in (1, 2)
    )
    assert (twice < once).all() and twice.mean() < 0.8 * once.mean()


def test_each_scene_of_a_batch_is_for_itself(stream):
    _, masks, y = scenes(stream, 3)
    alone = wiener(y[1:2], masks[1:2], BANDS)
    torch.testing.assert_close(wiener(y, masks, BANDS)[1:2], alone)


def test_darkness_is_finite():
    made = wiener(torch.zeros(1, HEIGHT, WIDTH + 6), torch.zeros(1, HEIGHT, WIDTH), BANDS)
    assert torch.isfinite(made).all() and (made == 0).all()


@torch.no_grad()
@pytest.mark.parametrize("size", [(1, 1), (6, 7), (16, 32), (33, 18)])
def test_it_begins_with_the_estimate_that_explains_the_snapshot(size, stream):
    _, masks, y = scenes(stream, 2, *size)
    made = build_model(CONFIG).eval()(given(y, masks))
    y = measurement_of(network_input(y, BANDS))  # as it is rounded
    x = wiener(y, masks, BANDS)
    for _ in range(CONFIG.turns):
        over = (gain(masks, BANDS) + 0.02).reciprocal()
        x = x + adjoint((y - measure(x, masks)) * over, masks, BANDS)
    torch.testing.assert_close(made, x, atol=1e-4, rtol=1e-4)


def test_all_that_it_has_learns(stream):
    cubes, masks, y = scenes(stream, 2, 32, 32)
    network = build_model(CONFIG)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(2):  # its last layer begins as zero
        optimizer.zero_grad()
        (network(given(y, masks)) - cubes).square().mean().backward()
        optimizer.step()
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters())


@torch.no_grad()
def test_its_operations_are_counted():
    network = build_model(CONFIG).train()
    with FlopCounterMode(display=False) as counter:
        network.body(torch.rand(1, 2 * BANDS + 1, 32, 48))
    assert scan_flops, "its import tells the counter of the scan"
    total = CONFIG.turns * counter.get_total_flops() / 2
    assert flops(CONFIG, 32, 48) == pytest.approx(total, rel=1e-6)
    assert size_multiple(CONFIG) == 1


def test_files_tell_what_it_is_for(tmp_path):
    path = tmp_path / "a.safetensors"
    save_weights(build_model(CONFIG).state_dict(), CONFIG, path)
    weights = Weights.read(path)
    weights.check_fit(path)
    card = weights.card(path)
    assert (card.config, card.task) == (CONFIG, "reconstruct")
    assert "turns" not in ModelConfig().record()
    assert all(name.startswith("body.") for name in shapes_of(CONFIG))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"turns": 0}, "turns and estimators must be 1 to"),
        ({"turns": 33}, "turns and estimators must be 1 to"),
        ({"scale": 2, "channels": 3}, "needs scale = 1"),
        ({"residual": "none"}, 'needs residual = "image"'),
        ({"widths": (8, 12, 16)}, "needs four widths"),
        ({"topology": "serpent"}, "serpent needs turns = 1"),
    ],
)
def test_impossible_sizes_are_refused(wrong, says):
    sizes = {"topology": "unfolding", "turns": 2, "channels": 4, **wrong}
    with pytest.raises(ModelError, match=says):
        ModelConfig(**sizes)
