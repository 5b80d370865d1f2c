"""Files of weights: what is written is read, and nothing else is."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from serpent_cli.errors import ModelError
from serpent_cli.model.config import ModelConfig
from serpent_cli.zoo.card import sha256
from serpent_cli.zoo.checkpoint import Weights, save_weights

MakeWeights = Callable[..., Path]
CONFIG = ModelConfig(widths=(8, 16, 16, 16), scale=4)


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    tensors = {"a": torch.randn(3, 4), "b.c": torch.randn(5).bfloat16(), "d": torch.randn(4, 3).T}
    save_weights(tensors, CONFIG, path)
    found = Weights.read(path)
    read, config = found.tensors, found.config
    assert config == CONFIG
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(read[name], tensor)
        assert read[name].dtype == tensor.dtype
    assert list(tmp_path.iterdir()) == [path], "no half-written file beside it"


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256(path).startswith("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f200")


SPOILS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut off": lambda data: data[:-100],
    "header only": lambda data: data[:50],
    "longer": lambda data: data + b"more",
    "zeros": lambda data: bytes(len(data)),
    "text": lambda data: b"<html>Not found</html>",
    "header broken": lambda data: data[:20] + b"\xff\xfe" + data[22:],
}


@pytest.mark.parametrize("how", SPOILS)
def test_corrupt_files_are_refused(how: str, make_weights: MakeWeights) -> None:
    path = make_weights()
    path.write_bytes(SPOILS[how](path.read_bytes()))
    with pytest.raises(ModelError, match=r"are corrupt|do not fit") as caught:
        Weights.read(path)
    assert str(path) in caught.value.message
    assert caught.value.exit_code == 4
    assert caught.value.hint


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights({"fine": torch.ones(2), "bad": torch.tensor([1.0, value])}, CONFIG, path)
    with pytest.raises(ModelError, match="bad is not finite"):
        Weights.read(path)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (None, "no Serpent configuration"),
        ({"format": "pt"}, "no Serpent configuration"),
        ({"serpent": "{"}, "is no JSON"),
        ({"serpent": '{"depth": 3}'}, "unknown keys: depth"),
        ({"serpent": "[]"}, "is no table"),
        ({"serpent": "7"}, "is no table"),
    ],
)
def test_files_of_others_are_refused(
    metadata: dict[str, str] | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "theirs.safetensors"
    save_file({"a": torch.ones(2)}, path, metadata=metadata)
    with pytest.raises(ModelError, match=words) as caught:
        Weights.read(path)
    assert str(path) in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.safetensors"):
        Weights.read(tmp_path / "absent.safetensors")


def test_a_file_alone_tells_its_task(make_weights: MakeWeights) -> None:
    path = make_weights("mine", scale=4, card=False)
    card = Weights.read(path).card(path)
    assert (card.name, card.task, card.scale, card.licence) == ("mine", "upscale", 4, "unknown")
    assert card.sha256 == sha256(path)
    other = make_weights("other", card=False)
    assert Weights.read(other).card(other).task == "deblur"


def test_the_configuration_travels_as_json(make_weights: MakeWeights) -> None:
    data = make_weights(scale=2).read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert json.loads(header["__metadata__"]["serpent"])["scale"] == 2


def test_saving_touches_no_neighbour_and_keeps_permissions(tmp_path: Path) -> None:
    config = ModelConfig(widths=(8, 16, 16, 16))
    tensors = {"a": torch.ones(2)}
    path, neighbour = tmp_path / "model.safetensors", tmp_path / "model.part"
    neighbour.write_bytes(b"precious")
    save_weights(tensors, config, path)
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o600)
    save_weights(tensors, config, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert neighbour.read_bytes() == b"precious"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["model.part", "model.safetensors"]
