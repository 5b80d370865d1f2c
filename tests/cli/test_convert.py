"""`serpent models convert`: what it writes, says and refuses."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import typer

from serpent_cli.cli.convert import convert
from serpent_cli.errors import ModelError, SerpentError, UsageError
from serpent_cli.zoo.checkpoint import Weights

MakeWeights = Callable[..., Path]
Serpent = Callable[..., object]


@dataclass
class Converted:
    """How the command ended."""

    error: SerpentError | None
    out: list[str]
    err: list[str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Converted]:
    """Run the command by itself."""
    app = typer.Typer()
    app.command()(convert)

    def call(*args: str | Path) -> Converted:
        error = None
        try:
            app([str(arg) for arg in args], standalone_mode=False)
        except SerpentError as caught:
            error = caught
        captured = capsys.readouterr()
        return Converted(error, captured.out.splitlines(), captured.err.splitlines())

    return call


@pytest.fixture
def foreign(make_weights: MakeWeights, tmp_path: Path) -> Path:
    """A pickle that holds a network of ours beside other things; its sizes lie beside it."""
    found = Weights.read(make_weights(card=False))
    tensors, config = found.tensors, found.config
    (tmp_path / "sizes.json").write_text(config.to_json())
    path = tmp_path / "theirs.pth"
    torch.save({"state_dict": tensors, "epoch": 3}, path)
    return path


def test_a_pickle_becomes_weights_that_restore(
    run: Callable[..., Converted], serpent: Serpent, foreign: Path, tmp_path: Path,
    photo_file: Path,
) -> None:  # fmt: skip
    out = tmp_path / "ours.safetensors"
    done = run(foreign, "-o", out, "--config", foreign.with_name("sizes.json"))
    assert done.error is None
    assert done.out == [str(out)]
    assert done.err == ["the tensors are those of state_dict; left aside: epoch"]
    restored = tmp_path / "restored.png"
    ran = serpent("deblur", photo_file, "--model", out, "-o", restored)
    assert (ran.code, restored.is_file()) == (0, True), ran.err  # pyright: ignore
    assert not list(tmp_path.glob("*.part"))


def test_json_tells_the_sizes(
    run: Callable[..., Converted], make_weights: MakeWeights, tmp_path: Path
) -> None:
    out = tmp_path / "ours.safetensors"
    done = run(make_weights(card=False), "-o", out, "--json")
    record = json.loads("\n".join(done.out))
    assert record["output"] == str(out)
    assert record["config"]["widths"] == [8, 16, 16, 16]
    assert record["tensors"] == len(Weights.read(out).tensors)
    assert record["notes"] == done.err == []


def test_what_does_not_match_is_a_table(
    run: Callable[..., Converted], make_weights: MakeWeights, tmp_path: Path
) -> None:
    found = Weights.read(make_weights(card=False))
    tensors, config = found.tensors, found.config
    tensors["b.0.extra"] = torch.ones(2, 3)
    del tensors["d1.merge.reduce.weight"]
    from safetensors.torch import save_file

    path, out = tmp_path / "theirs.safetensors", tmp_path / "ours.safetensors"
    save_file(tensors, path, {"serpent": config.to_json()})
    done = run(path, "-o", out)
    assert isinstance(done.error, ModelError)
    assert "2 entries do not match" in done.error.message
    assert [line.split() for line in done.out] == [
        ["name", "shape", "what", "is", "wrong"],
        ["b.0.extra", "(2,", "3)", "found,", "not", "known"],
        ["d1.merge.reduce.weight", "(16,", "32)", "wanted,", "missing"],
    ]
    assert not out.exists()
    assert run(path, "-o", out, "--json").out == [], "no table in between JSON"


def test_existing_weights_stay_unless_forced(
    run: Callable[..., Converted], make_weights: MakeWeights, tmp_path: Path
) -> None:
    source, out = make_weights(scale=2, card=False), tmp_path / "ours.safetensors"
    out.write_bytes(b"precious")
    error = run(source, "-o", out).error
    assert isinstance(error, UsageError)
    assert "it exists" in error.message
    assert "--force" in str(error.hint)
    assert out.read_bytes() == b"precious"
    assert run(source, "-o", out, "--force").error is None
    assert Weights.read(out).config.scale == 2


def test_weights_may_be_converted_in_place(
    run: Callable[..., Converted], make_weights: MakeWeights
) -> None:
    path = make_weights(card=False)
    before = Weights.read(path).tensors
    assert run(path, "-o", path, "-f", "-q").error is None
    assert all(
        torch.equal(before[name], tensor) for name, tensor in Weights.read(path).tensors.items()
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ours.pth", "does not end in .safetensors"),
        ("nowhere/ours.safetensors", "there is no folder"),
        ("folder.safetensors", "it is a folder"),
        ("carded.safetensors", "is the card of other weights"),
    ],
)
def test_odd_places_are_refused_first(
    name: str, words: str, run: Callable[..., Converted], tmp_path: Path
) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "carded.json").write_text("{}")
    error = run(tmp_path / "absent.pth", "-o", tmp_path / name, "--force").error
    assert isinstance(error, UsageError)
    assert words in error.message
    assert error.hint


def test_a_refusal_leaves_nothing(
    run: Callable[..., Converted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.safetensors").write_text("<html>")
    assert isinstance(run("page.safetensors", "-o", "ours.safetensors").error, ModelError)
    assert [each.name for each in tmp_path.iterdir()] == ["page.safetensors"]
