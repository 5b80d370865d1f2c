"""`models`, `doctor` and `train`."""

import json
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from serpent_cli.zoo.card import Card
from serpent_cli.zoo.checkpoint import Weights
from serpent_cli.zoo.locate import list_cards

Serpent = Callable[..., Any]
Model = tuple[str, Path]


def test_models_are_listed(serpent: Serpent) -> None:
    names = [card.name for card in list_cards()]
    rows = serpent("models", "list").out
    assert rows[0].split()[0] == "name"
    assert [row.split()[0] for row in rows[1:]] == names
    assert [json.loads(line)["name"] for line in serpent("models", "list", "--json").out] == names


def test_models_are_described(serpent: Serpent, model: Model) -> None:
    outcome = serpent("models", "info", model[1], "--json")
    (facts,) = (json.loads(line) for line in outcome.out)
    found = Weights.read(model[1])
    tensors, config = found.tensors, found.config
    assert facts["parameters"] == sum(tensor.numel() for tensor in tensors.values())
    assert facts["config"]["widths"] == list(config.widths)
    text = "\n".join(serpent("models", "info", model[1]).out)
    for fact in (f"{facts['gmac_512']:.2f} GMAC", "8 input pixels", "MIT", facts["sha256"]):
        assert fact in text
    assert f"{facts['parameters'] / 1e6:.2f} million" in text


@pytest.mark.parametrize("card", list_cards(), ids=lambda card: card.name)
def test_bundled_models_are_described(card: Card, serpent: Serpent) -> None:
    text = "\n".join(serpent("models", "info", card.name).out)
    assert card.description in text
    assert all(limit in text for limit in card.limits)


def test_a_mixture_of_degradations_is_told_way_by_way(serpent: Serpent) -> None:
    (card,) = (card for card in list_cards() if card.name == "deblur")
    told = [line for line in serpent("models", "info", "deblur").out if line.startswith("trained")]
    ways = [line for line in told if "mixture" in line]
    assert len(ways) == len(card.trained["degradation"]["mixture"]) > 1
    assert all("% of the crops; " in way and "; sigma " in way for way in ways)
    assert not any(mark in line for line in told for mark in "{}[]'")


def test_the_doctor_knows_backends_weights_and_variables(serpent: Serpent) -> None:
    outcome = serpent("doctor")
    assert outcome.code == 0
    text = "\n".join(outcome.out)
    for words in ("reference", "chunked", "native", "device", "memory", "SERPENT_BACKEND="):
        assert words in text
    for card in list_cards():
        assert f"weights    {card.name}: intact" in outcome.out


@pytest.fixture
def mamba_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mamba_ssm", "causal_conv1d"):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def gpu_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("serpent_cli.ops.cross_scan.triton.unavailable", lambda: None)
    # What else doctor asks of a GPU is not its backends' affair.
    monkeypatch.setattr("serpent_cli.cli.doctor._devices", lambda: None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_the_doctor_offers_mamba_and_says_it_is_not_needed(serpent: Serpent) -> None:
    lines = serpent("doctor").out
    assert "backend    cpu  mamba     no: it needs an NVIDIA GPU" in lines
    for package in ("mamba_ssm", "causal_conv1d"):
        assert f"optional   {package}: not installed; not needed" in lines
    assert any("pip install --no-build-isolation 'serpent-restore[cuda]'" in line for line in lines)


@pytest.mark.usefixtures("mamba_there")
@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_the_doctor_cannot_test_mamba_without_a_gpu(serpent: Serpent) -> None:
    lines = serpent("doctor").out
    assert "optional   mamba_ssm: found, untested: it needs an NVIDIA GPU; not needed" in lines
    assert "optional   causal_conv1d: found; not needed" in lines


@pytest.mark.usefixtures("mamba_there", "gpu_there")
@pytest.mark.parametrize(
    ("fault", "row", "state"),
    [
        (None, "ready", "its self-test passed"),
        ("its self-test failed: X: y", "no: its self-test failed: X: y", "its self-test failed"),
    ],
)
def test_the_doctor_shows_each_device_s_backends(
    fault: str | None, row: str, state: str, serpent: Serpent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serpent_cli.ops.cross_scan.mamba.unavailable", lambda: fault)
    lines = serpent("doctor").out
    assert f"backend    cuda mamba     {row}" in lines
    assert "backend    cuda triton    ready" in lines
    assert "backend    cpu  mamba     no: it needs an NVIDIA GPU" in lines
    assert any(line.startswith(f"optional   mamba_ssm: found, {state}") for line in lines)


def test_the_doctor_finds_corrupt_weights(
    serpent: Serpent, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serpent_cli.zoo.locate.weights_folder", lambda: model[1].parent)
    assert "weights    tiny: intact" in serpent("doctor").out
    model[1].write_bytes(b"x")
    assert any(line.startswith("weights    tiny: CORRUPT") for line in serpent("doctor").out)
    model[1].unlink()
    assert "weights    tiny: missing" in serpent("doctor").out


def test_training_makes_weights_that_restore(
    serpent: Serpent, photos: Path, recipe: Path, photo_file: Path, tmp_path: Path
) -> None:
    outcome = serpent("train", recipe, "--photos", photos, "--out", tmp_path / "run", "--json")
    weights = tmp_path / "run" / "mini.safetensors"
    assert outcome.code == 0
    assert outcome.out[-1] == str(weights)
    assert [json.loads(line)["step"] for line in outcome.out[:-1]] == [1, 2, 3]
    assert serpent("deblur", photo_file, "--model", weights).code == 0
    again = tmp_path / "again"
    outcome = serpent("train", recipe, "--photos", photos, "--out", again, "--init", weights)
    assert outcome.code == 0
    assert len(outcome.err) == 4, "how it begins, and three steps"
    first, second = Card.read(again / "mini.json").trained["runs"]
    assert "--init" not in first["command"]
    assert "--init" in second["command"]


def test_training_that_cannot_begin(
    serpent: Serpent, photos: Path, recipe: Path, tmp_path: Path, model: Model
) -> None:
    out = ("--out", tmp_path / "run")
    serpent("train", tmp_path / "none.toml", "--photos", photos, *out).failed(2, "none.toml")
    serpent("train", recipe, "--photos", tmp_path / "nowhere", *out).failed(3, "nowhere")
    serpent("train", recipe, "--photos", photos, *out, "--init", "debler").failed(4, "debler")
    sound = recipe.read_text()
    recipe.write_text(sound.replace("[model]\n", "[model]\nfeed_forward = 1.0\n"))
    serpent("train", recipe, "--photos", photos, *out, "--init", model[1]).failed(4, "do not fit")
    recipe.write_text(sound + "steps = 3\n")
    serpent("train", recipe, "--photos", photos, *out).failed(2, "unknown entries in [log]: steps")
    assert not (tmp_path / "run").exists(), "no folder for a run that never was"


def test_two_trainings_never_share_a_folder(
    serpent: Callable[..., Any], photos: Path, tmp_path: Path
) -> None:
    from filelock import FileLock

    recipe = Path(__file__).parents[2] / "recipes" / "deblur.toml"
    command = ("train", recipe, "--photos", photos, "--out", tmp_path / "run")
    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / ".train.lock"):
        serpent(*command).failed(2, "another training run is at work")
    (tmp_path / "file").write_bytes(b"")
    serpent(*command[:-1], tmp_path / "file").failed(1, "cannot use the folder")
