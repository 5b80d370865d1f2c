"""From a name or a path to a network: found, verified, fitting its card."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from serpent_cli.errors import ModelError, UsageError
from serpent_cli.training.export import write_card
from serpent_cli.zoo import locate as locating
from serpent_cli.zoo.card import Card, sha256
from serpent_cli.zoo.checkpoint import Weights, save_weights
from serpent_cli.zoo.load import load_model
from serpent_cli.zoo.locate import (
    is_path,
    list_cards,
    locate,
    upscale_scales,
    upscaler,
    weights_folder,
)
from serpent_cli.zoo.names import anywhere

MakeWeights = Callable[..., Path]
CPU = torch.device("cpu")


def rewrite_card(path: Path, **changes: Any) -> None:
    card = path.with_suffix(".json")
    write_card(dataclasses.replace(Card.read(card), **changes), card)


@pytest.fixture
def shelf(make_weights: MakeWeights, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three bundled weights."""
    folder = make_weights("deblur").parent
    make_weights("upscale-x2", scale=2)
    make_weights("upscale-x8", scale=8)
    monkeypatch.setattr(locating, "weights_folder", lambda: folder)
    return folder


@pytest.mark.parametrize("card", list_cards(), ids=lambda card: card.name)
def test_bundled_weights_are_whole(card: Card) -> None:
    path = weights_folder() / card.file
    assert path.is_file()
    assert sha256(path) == card.sha256
    assert path.stat().st_size <= 20e6
    assert (weights_folder() / f"{card.name}.json").is_file(), "the card is named after the model"
    model, loaded = load_model(card.name, CPU)
    assert loaded == card
    size = 8 * card.config.patch_size
    snapshot = card.task == "reconstruct"  # has its mask beside it, and is reconstructed whole
    given = torch.rand(1, card.config.channels * (1 + snapshot), size, size)
    with torch.inference_mode():
        assert torch.isfinite(model(given)).all()
    assert card.licence
    assert snapshot == (card.margin == 0)


def test_a_network_is_ready_and_holds_the_file_s_numbers(make_weights: MakeWeights) -> None:
    path = make_weights(scale=2)
    model, card = load_model(str(path), CPU)
    found = Weights.read(path)
    tensors, config = found.tensors, found.config
    assert model.config == config == card.config
    assert not model.training
    parameters = dict(model.named_parameters())
    assert parameters.keys() == tensors.keys()
    for name, parameter in parameters.items():
        assert torch.equal(parameter, tensors[name])
        assert not parameter.requires_grad
        assert parameter.device == CPU


def test_half_precision_files_are_loaded_as_fp32(make_weights: MakeWeights) -> None:
    path = make_weights(card=False)
    found = Weights.read(path)
    tensors, config = found.tensors, found.config
    save_weights({name: tensor.half() for name, tensor in tensors.items()}, config, path)
    model, _ = load_model(str(path), CPU)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_other_weights_under_a_card_are_refused(make_weights: MakeWeights) -> None:
    path = make_weights()
    rewrite_card(path, sha256="0" * 64)
    with pytest.raises(ModelError, match="sha256 differs") as caught:
        load_model(str(path), CPU)
    assert str(path) in caught.value.message


def test_a_card_of_another_network_is_refused(make_weights: MakeWeights) -> None:
    path = make_weights()
    rewrite_card(
        path, config=dataclasses.replace(Card.read(path.with_suffix(".json")).config, gate=False)
    )
    with pytest.raises(ModelError, match="disagree about the network's sizes"):
        load_model(str(path), CPU)


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_tensors_that_do_not_fit_are_refused(change: str, make_weights: MakeWeights) -> None:
    path = make_weights(card=False)
    found = Weights.read(path)
    tensors, config = found.tensors, found.config
    name = next(iter(tensors))
    if change == "missing":
        del tensors[name]
    elif change == "extra":
        tensors["more"] = torch.ones(1)
    else:
        tensors[name] = torch.ones(1, 2, 3)
    save_weights(tensors, config, path)
    with pytest.raises(ModelError, match="do not fit the network they name") as caught:
        load_model(str(path), CPU)
    assert "Traceback" not in caught.value.message
    assert "\n" not in caught.value.message, "one sentence"


def test_names_are_found_on_the_shelf(shelf: Path) -> None:
    assert [card.name for card in list_cards()] == ["deblur", "upscale-x2", "upscale-x8"]
    found = locate("upscale-x2")
    path, card = found.path, found.card
    assert path == shelf / "upscale-x2.safetensors"
    assert card.scale == 2
    assert load_model("deblur", CPU)[1].name == "deblur"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("deblurr", "did you mean deblur;"),
        ("upscale-x4", "did you mean upscale-x"),
        ("zzz", "the bundled models are deblur, upscale-x2, upscale-x8;"),
    ],
)
def test_unknown_names_bring_suggestions(name: str, words: str, shelf: Path) -> None:
    with pytest.raises(ModelError, match=f"there is no model named '{name}'") as caught:
        locate(name)
    assert str(caught.value.hint).startswith(words)


def test_a_name_is_never_taken_for_a_path(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deblur").write_bytes(b"a file of that name")
    (tmp_path / "other").write_bytes(b"another")
    assert locate("deblur").path == shelf / "deblur.safetensors"
    with pytest.raises(ModelError, match="there is no model named 'other'"):
        locate("other")
    assert [is_path(text) for text in ("deblur", "x.safetensors", "./x", "a\\b")] == [
        False, True, True, True,
    ]  # fmt: skip
    with pytest.raises(ModelError, match=r"there are no weights at \./deblur\.safetensors"):
        locate("./deblur.safetensors")


def test_paths_are_told_in_full_to_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert anywhere("./mine.safetensors") == str(tmp_path / "mine.safetensors")
    for name in ("deblur", "hf://someone/sharp"):
        assert anywhere(name) == name


def test_missing_weights_of_a_known_name(shelf: Path) -> None:
    (shelf / "deblur.safetensors").unlink()
    with pytest.raises(ModelError, match="of deblur are missing"):
        load_model("deblur", CPU)


def test_upscalers_are_chosen_by_their_scale(shelf: Path) -> None:
    assert upscaler(2) == "upscale-x2"
    with pytest.raises(ModelError, match="no bundled model enlarges by 4") as caught:
        upscaler(4)
    assert caught.value.hint == "there are: --scale 2, --scale 8"


def test_upscalers_are_chosen_by_their_style(shelf: Path, make_weights: MakeWeights) -> None:
    for style in ("crisp", "other"):
        make_weights(f"upscale-x2-{style}", scale=2)
    make_weights("upscale-x16-crisp", scale=8)
    assert upscaler(2, "crisp") == "upscale-x2-crisp"
    assert upscaler(2, "natural") == upscaler(2) == "upscale-x2"
    assert (upscale_scales(), upscale_scales("crisp")) == ([2, 8], [2])
    assert (upscaler(None), upscaler(None, "crisp")) == ("upscale-x8", "upscale-x2-crisp")
    with pytest.raises(UsageError, match="the style crisp does not enlarge by 8") as caught:
        upscaler(8, "crisp")
    assert caught.value.hint == "it has --scale 2"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: {**record, "more": 1},
        lambda record: {key: record[key] for key in record if key != "sha256"},
        lambda record: {**record, "config": {"depth": 1}},
        lambda record: {**record, "config": None},
        lambda record: {**record, "scale": "two"},
        lambda record: {**record, "margin": None},
        lambda record: {**record, "scale": record["scale"] + 1},
        lambda record: {**record, "task": "denoise"},
        lambda record: {**record, "file": "../elsewhere.safetensors"},
        lambda record: [record],
        lambda record: None,
    ],
)
def test_malformed_cards_are_refused(spoil: Callable[..., Any], make_weights: MakeWeights) -> None:
    path = make_weights().with_suffix(".json")
    path.write_text(json.dumps(spoil(json.loads(path.read_text()))))
    with pytest.raises(ModelError) as caught:
        load_model(str(path.with_suffix(".safetensors")), CPU)
    assert str(path) in caught.value.message


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000])
def test_cards_that_are_no_json_are_refused(data: bytes, make_weights: MakeWeights) -> None:
    path = make_weights().with_suffix(".json")
    path.write_bytes(data)
    with pytest.raises(ModelError, match="model card") as caught:
        Card.read(path)
    assert str(path) in caught.value.message


def test_cards_survive_json(make_weights: MakeWeights) -> None:
    card = Card.read(make_weights().with_suffix(".json"))
    full = dataclasses.replace(card, trained={"σ": [0.4, 3]}, scores=[{"case": "x"}], limits=["a"])
    assert Card.from_json(full.to_json()) == full
