"""CST's and CFSDCN's published networks by their own names: converted, loaded, run; or refused."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.restoration.snapshot import reconstruct
from serpent_cli.zoo.checkpoint import save_weights
from serpent_cli.zoo.convert import UnmatchedError, convert
from serpent_cli.zoo.load import load_model
from serpent_cli.zoo.snapshot_names import snapshot_kind, translate_snapshot

ORACLES = Path(__file__).parents[1] / "model" / "hyperspectral" / "conftest.py"
KINDS = ("cst", "cfsdcn")
Pth = Callable[..., Path]


@pytest.fixture(scope="module")
def theirs() -> Any:
    """What the tests of hyperspectral networks know of their authors' numbers."""
    spec = importlib.util.spec_from_file_location("hyperspectral_oracles", ORACLES)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def oracle(theirs: Any) -> Callable[[str], dict[str, Any]]:
    """oracle("cst"): names of all parameters, output and seeds."""

    def read(kind: str) -> dict[str, Any]:
        path = theirs.FOLDER / f"net_{kind}_s.npz"
        if not path.is_file():
            pytest.skip(f"the authors' numbers are not here: {path}")
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays}

    return read


@pytest.fixture
def pth(theirs: Any, oracle: Callable[[str], dict[str, Any]], tmp_path: Path) -> Pth:
    """pth(kind, changes) -> a file with the authors' names; None takes a name away."""

    def save(
        kind: str, changes: dict[str, Tensor | None] | None = None, suffix: str = ".safetensors"
    ) -> Path:
        tensors: dict[str, Tensor | None] = theirs.drawn_weights(oracle(kind)["names"])
        kept = {n: t for n, t in {**tensors, **(changes or {})}.items() if t is not None}
        path = tmp_path / f"{kind}{suffix}"
        wrapped = {f"module.{name}": tensor.float() for name, tensor in kept.items()}
        torch.save(wrapped, path) if suffix == ".pth" else save_file(wrapped, path)
        return path

    return save


def drawn_input(given: dict[str, Any], seed: str) -> Tensor:
    generator = np.random.Generator(np.random.PCG64(int(given[seed])))
    return torch.from_numpy(generator.random(tuple(given["input_shape"])))


def output(given: dict[str, Any], config: ModelConfig, tensors: dict[str, Tensor]) -> Tensor:
    """What the converted network makes of the oracle's input, where its values are told."""
    network = build_model(config).double().eval()
    network.load_state_dict(tensors)
    hash_of = ()
    if "alpha" in given:
        hash_of = ((torch.from_numpy(given["alpha"]), torch.from_numpy(given["beta"])),)
    y = network(drawn_input(given, "input_seed"), drawn_input(given, "mask_seed"), *hash_of)
    return y.flatten()[given["at"]]


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_renamed_parameters_give_their_authors_numbers(
    kind: Any, theirs: Any, oracle: Callable[[str], dict[str, Any]]
) -> None:
    given = oracle(kind)
    tensors = theirs.drawn_weights(given["names"])
    assert snapshot_kind(tensors) == kind
    made, sizes = translate_snapshot(kind, tensors)
    assert made.wrong == []
    y = output(given, ModelConfig.from_dict(sizes), made.tensors)
    torch.testing.assert_close(y, torch.from_numpy(given["values"]), atol=1e-10, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_published_file_is_converted_with_its_sizes(
    kind: str, pth: Pth, oracle: Callable[[str], dict[str, Any]]
) -> None:
    given, made = oracle(kind), convert(pth(kind, suffix=".pth"))
    assert (made.config.topology, made.config.channels) == (kind, 28)
    assert made.config.widths == (28, 56, 112)
    assert made.config.depths_down == ((1, 1, 2) if kind == "cst" else (1, 2, 2))
    assert "the prefix module. of all names is taken away" in made.notes
    assert any("hash" in note for note in made.notes) == (kind == "cst")
    y = output(given, made.config, made.tensors)  # of weights in fp32, as they are published
    torch.testing.assert_close(y, torch.from_numpy(given["values"]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_written_and_reconstructs_snapshots(kind: str, pth: Pth, tmp_path: Path) -> None:
    made = convert(pth(kind))
    path = tmp_path / "ours.safetensors"
    save_weights(made.tensors, made.config, path)
    network = load_model(str(path), torch.device("cpu"))
    assert (network[1].task, network[1].config) == ("reconstruct", made.config)
    mask = np.ones((20, 30), np.float32)
    cube = reconstruct(np.ones((20, 84), np.float32), mask, network=network)
    assert cube.shape == (28, 20, 30)
    again = convert(path)
    assert again.config == made.config
    assert all(torch.equal(again.tensors[name], t) for name, t in made.tensors.items())


def test_two_estimators_are_those_of_cst_l(pth: Pth, theirs: Any, oracle: Any) -> None:
    tensors = theirs.drawn_weights(oracle("cst")["names"])
    changes: dict[str, Tensor | None] = {}
    for name, tensor in tensors.items():
        if name.startswith("fe."):
            changes[name] = None
            part = name.removeprefix("fe.")
            changes[f"fe.1.{part}"] = tensor
            changes[f"fe.0.{part}"] = tensor[:28] if part == "out_conv2.weight" else tensor
    made = convert(pth("cst", changes))
    assert made.config.estimators == 2
    network = build_model(made.config)
    network.load_state_dict(made.tensors)
    plain = dict(changes)
    plain["fe.in_proj.weight"] = tensors["fe.in_proj.weight"]  # of both layouts
    with pytest.raises(UnmatchedError) as caught:
        convert(pth("cst", plain))
    assert any("is there already" in row[2] for row in caught.value.rows)


@pytest.mark.parametrize(
    ("kind", "name", "change", "words"),
    [
        ("cst", "out_proj.weight", None, "wanted, missing"),
        ("cst", "fution.weight", None, "wanted, with 4 axes"),
        ("cst", "fe.out_conv2.weight", torch.ones(28, 28, 3, 3), "must be (29, 28, 3, 3)"),
        ("cst", "encoder_layers.0.0.blocks.0.attn.fn.other", torch.ones(3), "found, not known"),
        ("cst", "encoder_layers.1.0.blocks.1.attn.norm.weight", torch.ones(56), "wanted, missing"),
        ("cst", "bottleneck.blocks.99.attn.norm.bias", torch.ones(112), "depths at most"),
        ("cfsdcn", "fution.weight", torch.ones(28, 56), "wanted, with 4 axes"),
        ("cfsdcn", "patch_embed.proj.weight", torch.ones(27, 28, 3, 3), "that 7 divides"),
        ("cfsdcn", "decoder_layers.1.1.weight", torch.ones(28, 56, 3, 3), "must be (28, 56)"),
        ("cfsdcn", "decoder_layers.0.2.blocks.1.norm1.0.bias", None, "wanted, missing"),
        ("cfsdcn", "fuse.weight", torch.ones(28, 56, 1, 1), "is there already"),
    ],
)
def test_what_does_not_fit_is_refused(
    kind: str, name: str, change: Tensor | None, words: str, pth: Pth
) -> None:
    with pytest.raises(UnmatchedError) as caught:
        convert(pth(kind, {name: change}))
    assert any(words in row[2] for row in caught.value.rows), caught.value.rows


def test_sizes_of_cfsdcn_are_free_of_the_number_of_bands() -> None:
    config = ModelConfig(
        topology="cfsdcn", channels=5, widths=(14, 28, 56), patch_size=1, depth_bottleneck=0
    )
    network = build_model(config).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 10, 8, 12)).shape == (1, 5, 8, 12)
