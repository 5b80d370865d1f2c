"""Snapshots to cubes: sizes that fit, units, by GAP-TV and by a network."""

import numpy as np
import pytest
import torch

from serpent_cli.degrade.cassi import measure
from serpent_cli.errors import ModelError, UsageError
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.restoration.snapshot import bands_of, brightness, reconstruct
from serpent_cli.zoo.card import Card

CONFIG = ModelConfig(
    topology="cst", channels=4, widths=(4, 8, 16), patch_size=1, depth_bottleneck=0
)
CFSDCN = ModelConfig(
    topology="cfsdcn", channels=4, widths=(7, 14, 28), patch_size=1, depth_bottleneck=0
)
ASLE = ModelConfig(topology="asle", channels=4, widths=(4, 8, 16), patch_size=1, depth_bottleneck=0)
UNFOLDING = ModelConfig(topology="unfolding", channels=4, widths=(8, 8, 8, 8))


def card(task="reconstruct", config=CONFIG):
    return Card(
        name="test", task=task, scale=1, file="a.safetensors", sha256="", licence="MIT",
        description="", config=config, margin=0,
    )  # fmt: skip


def snapshot(bands=4, height=20, width=24):
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    cube = np.stack([np.sin(rows / (4 + k)) * np.cos(columns / 5) / 3 + 0.5 for k in range(bands)])
    mask = (np.random.default_rng(1).random((height, width)) > 0.5).astype(np.float32)
    y = measure(torch.from_numpy(cube)[None], torch.from_numpy(mask))[0].numpy()
    return cube, mask, y


@pytest.mark.parametrize("method", ["wiener", "gap-tv"])
def test_without_weights_it_gives_a_cube_in_the_snapshots_own_unit(method):
    cube, mask, y = snapshot()
    made = reconstruct(y, mask, method=method)
    assert made.shape == cube.shape and made.dtype == np.float32
    assert np.square(made - cube).mean() < 0.02
    # A power of two: conjugate gradients of a small snapshot enlarge what is rounded.
    again = reconstruct(y * 1024, mask, white=1024, method=method)
    np.testing.assert_allclose(again, 1024 * made, rtol=1e-3, atol=0.1)


def test_the_unit_is_guessed_within_a_factor_of_two():
    _, mask, y = snapshot()
    for unit in (1.0, 4095.0):
        assert 0.5 < brightness(y * unit, mask) / unit < 2
    assert brightness(0 * y, mask) == 1


@pytest.mark.parametrize(("columns", "rows"), [(-1, 0), (1, 0), (0, 1), (-20, 0)])
def test_sizes_must_fit(columns, rows):
    _, mask, y = snapshot()
    wrong = np.zeros((y.shape[0] + rows, y.shape[1] + columns), np.float32)
    with pytest.raises(UsageError, match="does not fit a mask of 24x20"):
        reconstruct(wrong, mask)


def test_sizes_tell_the_bands():
    _, mask, y = snapshot(bands=5)
    assert bands_of(y, mask) == 5
    assert bands_of(y, mask, 4) == 3


@pytest.mark.parametrize(
    "config", [CONFIG, CFSDCN, ASLE, UNFOLDING], ids=["cst", "cfsdcn", "asle", "unfolding"]
)
@pytest.mark.parametrize("size", [(1, 24), (3, 5), (20, 24), (64, 64), (130, 70)])
def test_a_network_takes_any_size(size, config):
    torch.manual_seed(0)
    _, mask, y = snapshot(4, *size)
    made = reconstruct(y, mask, network=(build_model(config).eval(), card(config=config)))
    assert made.shape == (4, *size) and np.isfinite(made).all()


def test_weights_for_other_snapshots_are_refused():
    _, mask, y = snapshot(5)
    network = build_model(CONFIG).eval()
    with pytest.raises(ModelError, match="does not fit this snapshot of 5 bands") as error:
        reconstruct(y, mask, network=(network, card()))
    assert "wiener" in error.value.hint
    other = ModelConfig(channels=5)
    with pytest.raises(ModelError, match="does not fit"):
        reconstruct(y, mask, network=(network, card("denoise", other)))
