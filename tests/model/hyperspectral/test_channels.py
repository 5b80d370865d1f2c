"""A Serpent of other than three channels, for cubes."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from serpent_cli.errors import ModelError
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.limits import effective_margin, flops, scan_macs
from serpent_cli.model.unet import build_model
from serpent_cli.ops.flops import scan_flops
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.zoo.card import Card
from serpent_cli.zoo.checkpoint import Weights, save_weights

CONFIG = ModelConfig(widths=(8, 12, 16, 20), channels=5)


@torch.no_grad()
def test_it_begins_as_the_identity_of_every_band():
    x = torch.rand(2, 5, 32, 48)
    torch.testing.assert_close(build_model(CONFIG)(x), x)


@torch.no_grad()
def test_its_operations_and_margin_are_counted():
    network, x = build_model(CONFIG).eval(), torch.rand(1, 5, 32, 32)
    with FlopCounterMode(display=False) as counter:
        network(x)
    assert flops(CONFIG, 32, 32) == pytest.approx(counter.get_total_flops() / 2, rel=0.02)
    assert scan_macs(1, 1, 1, 1, 1) == 5
    assert scan_flops, "its import tells the counter of the scan"
    assert effective_margin(network, CONFIG, x) == 0


def test_files_keep_its_channels_and_those_of_photographs_do_not_name_theirs(tmp_path):
    save_weights(build_model(CONFIG).state_dict(), CONFIG, tmp_path / "a.safetensors")
    path = tmp_path / "a.safetensors"
    assert Weights.read(path).card(path).config == CONFIG
    assert "channels" not in ModelConfig().record()


@pytest.mark.parametrize("wrong", [{"channels": 0}, {"channels": 513}, {"channels": 4, "scale": 2}])
def test_impossible_channels_are_refused(wrong):
    with pytest.raises(ModelError, match="channels must be"):
        ModelConfig(**wrong)


def test_it_is_not_for_photographs():
    card = Card(
        name="cubes", task="denoise", scale=1, file="cubes.safetensors", sha256="", licence="MIT",
        description="", config=CONFIG, margin=8,
    )  # fmt: skip
    with pytest.raises(ModelError, match="cubes is for cubes") as error:
        Restorer(build_model(CONFIG), card)
    assert "serpent denoise" in error.value.hint
