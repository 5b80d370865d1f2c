"""EVSSM's published network by its own names: converted, loaded, run; or refused with why."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from serpent_cli.errors import ModelError
from serpent_cli.model.unet import build_model
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.zoo.checkpoint import save_weights
from serpent_cli.zoo.convert import UnmatchedError, convert
from serpent_cli.zoo.evssm_names import turned_mask
from serpent_cli.zoo.load import load_model

ORACLE = Path(__file__).resolve().parents[1] / "model" / "mixers" / "test_evssm.py"
Saved = Callable[..., Path]


@pytest.fixture(scope="module")
def oracle() -> Any:
    """The network that the oracle holds, and how its weights are drawn."""
    spec = importlib.util.spec_from_file_location("evssm_oracle", ORACLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pth(oracle: Any, tmp_path: Path) -> Callable[..., Path]:
    """pth(changes) -> a file as the authors publish it; a change to None takes a name away."""

    def save(changes: dict[str, Tensor | None] | None = None) -> Path:
        tensors = {name: tensor.float() for name, tensor in oracle.official().items()}
        tensors.update(changes or {})
        kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
        path = tmp_path / "evssm.pth"
        torch.save({"params": kept}, path)
        return path

    return save


@torch.no_grad()
def test_a_published_file_becomes_a_network_that_runs(
    oracle: Any, pth: Callable[..., Path], tmp_path: Path
) -> None:
    made = convert(pth())
    assert made.config.topology == "evssm"
    assert made.config.window == 384
    assert any("windows of 384 pixels" in note for note in made.notes)
    path = tmp_path / "evssm.safetensors"
    save_weights(made.tensors, made.config, path)
    network, card = load_model(str(path), torch.device("cpu"))
    assert (card.task, card.scale) == ("deblur", 1)
    x, given = oracle.picture_and_values()
    y = network(x.float()).double().flatten()[given["at"]]
    torch.testing.assert_close(y, given["values"], atol=1e-4, rtol=0)
    again = convert(path)
    assert again.config == made.config
    assert all(torch.equal(again.tensors[name], t) for name, t in made.tensors.items())


def test_windows_can_be_left_out(pth: Callable[..., Path]) -> None:
    assert convert(pth(), {"window": 0}).config.window == 0


@torch.no_grad()
def test_pictures_of_any_size_are_restored(pth: Callable[..., Path], tmp_path: Path) -> None:
    made = convert(pth())
    path = tmp_path / "evssm.safetensors"
    save_weights(made.tensors, made.config, path)
    from serpent_cli.imaging.picture import Picture

    whole = Restorer.from_pretrained(str(path), device="cpu", tile="whole")
    for size in ((1, 1), (37, 50)):
        pixels = torch.randint(0, 256, (*size, 3), dtype=torch.uint8).numpy()
        assert whole.restore(Picture(pixels)).pixels.shape == (*size, 3)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("output.weight", None, "wanted, missing"),
        ("encoder_level2.block1.attn.Ds", torch.ones(3), "must be"),
        ("encoder_level2.block1.attn.A_logs", torch.ones(3), "must have 2 axes"),
        ("decoder_level1.block0.ffn.fft", torch.ones(8, 1, 1, 8, 8), "must be (C, 1, 1, 8, 5)"),
        ("encoder_level1.block0.attn.other", torch.ones(3), "found, not known"),
        ("encoder_level1.block2.attn.Ds", torch.ones(16), "even number of blocks"),
        ("latent.weight", torch.ones(3), "found, not known"),
    ],
)
def test_what_does_not_fit_is_refused(
    name: str, change: Tensor | None, words: str, pth: Callable[..., Path]
) -> None:
    with pytest.raises(UnmatchedError) as caught:
        convert(pth({name: change}))
    assert any(words in row[2] for row in caught.value.rows)
    assert isinstance(caught.value, ModelError)


def test_a_turned_mask_weighs_a_turned_patch_as_the_mask_does_the_patch() -> None:
    generator = torch.Generator().manual_seed(0)
    mask = torch.randn(3, 8, 5, dtype=torch.float64, generator=generator)
    x = torch.randn(3, 8, 8, dtype=torch.float64, generator=generator)

    def weigh(x: Tensor, mask: Tensor) -> Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(x) * mask, s=(8, 8))

    for block, turn in enumerate(
        (lambda x: x.mT, lambda x: x.mT.flip(1, 2), lambda x: x.flip(1, 2), lambda x: x)
    ):
        expected = weigh(turn(x), mask)
        torch.testing.assert_close(turn(weigh(x, turned_mask(mask, block))), expected)


def test_an_untrained_network_is_the_identity(oracle: Any) -> None:
    x = torch.rand(1, 3, 20, 36)
    assert torch.equal(build_model(oracle.SMALL)(x), x)
