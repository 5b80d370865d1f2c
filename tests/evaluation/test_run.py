"""The whole way, and the folder of results."""

import csv
import dataclasses
import json
import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from serpent_cli.errors import DeviceError, NoInputError, PictureError, UsageError
from serpent_cli.evaluation import packages
from serpent_cli.evaluation.run import evaluate
from serpent_cli.evaluation.table import markdown
from serpent_cli.restoration.restorer import Restorer

NAMES = {"results.json", "results.csv", "results.md", "contact-sheet.png"}


def replace_card(restorer: Restorer, **changes: str) -> Restorer:
    card = dataclasses.replace(restorer.card, **changes)  # pyright: ignore[reportArgumentType]
    return Restorer(restorer.forward.model, card, device=torch.device("cpu"), tile="whole")


def test_results_hold_the_same_figures(
    sharper: Restorer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serpent_cli.evaluation.oracles.ITERATIONS", (1,))  # in no time
    out = tmp_path / "deep" / "scores"
    means = evaluate(sharper, "gaussian-61", folder, oracles=True, out=out)
    assert {path.name for path in out.iterdir()} == NAMES
    written = json.loads((out / "results.json").read_text())
    assert written["means"] == [dataclasses.asdict(mean) for mean in means]
    assert [score["file"] for score in written["scores"]] == ["a.jpg", "b.png"]
    assert written["scores"][0]["wiener"].keys() >= {"0.001", "1.0"}
    assert (written["suite"], written["model"]) == ("gaussian-61", "test")
    (row,) = csv.DictReader((out / "results.csv").read_text().splitlines())
    assert float(row["over_oracles"]) == means[0].over_oracles
    assert row["note"] == "out of range"
    assert (out / "results.md").read_text() == markdown(means)
    with Image.open(out / "contact-sheet.png") as sheet:
        assert sheet.size[0] > 1000


def test_infinite_scores_are_written_as_the_ceiling(
    untouched: Restorer, folder: Path, tmp_path: Path
) -> None:
    evaluate(untouched, "deblur", folder, out=tmp_path)
    scores = json.loads((tmp_path / "results.json").read_text())["scores"]
    assert {s["before"] for s in scores if s["case"] == "clean"} == {99.0}


def test_older_results_are_replaced_whole(
    untouched: Restorer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "results.json"
    old.write_text("old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(PictureError, match=r"cannot write .*results.json: no space is left"):
            evaluate(untouched, "gaussian-61", folder, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert old.read_text() == "old"
    evaluate(untouched, "gaussian-61", folder, out=tmp_path)
    assert json.loads(old.read_text())["suite"] == "gaussian-61"


def test_a_folder_that_cannot_be_made_costs_no_work(
    untouched: Restorer, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PictureError, match="cannot make the folder"):
        evaluate(
            untouched, "deblur", folder, out=tmp_path / "file",
            on_file=lambda *_: pytest.fail("it has begun"),
        )  # fmt: skip


@pytest.mark.parametrize("suite", ["blur", "pairs"])
def test_oracles_need_a_gaussian(
    untouched: Restorer, folder: Path, tmp_path: Path, suite: str
) -> None:
    for name in ("ref", "in"):
        (tmp_path / name).mkdir()
        Image.open(folder / "b.png").save(tmp_path / name / "b.png")
    with pytest.raises(UsageError, match="no Gaussian"):
        evaluate(untouched, suite, folder if suite == "blur" else tmp_path, oracles=True)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    packages.require_packages()
    monkeypatch.setitem(packages.PACKAGES, "no_such_module", "no-such-package")
    with pytest.raises(DeviceError, match="needs no-such-package, which") as caught:
        packages.require_packages()
    assert caught.value.hint == "pip install 'serpent-restore[eval]'"


def test_sheets_of_photographs_that_are_asked_for(
    sharper: Restorer, untouched: Restorer, folder: Path, tmp_path: Path
) -> None:
    other = replace_card(untouched, name="other")
    evaluate(sharper, "gaussian-61", folder, out=tmp_path, beside=other, shown=["b.png"])
    assert {path.name for path in tmp_path.iterdir()} == NAMES | {"whole-b.png.png"}
    with Image.open(tmp_path / "whole-b.png.png") as sheet, Image.open(folder / "b.png") as photo:
        assert sheet.size[0] > 4 * photo.size[0]


def test_what_cannot_be_shown_costs_no_work(
    sharper: Restorer, enlarger: Restorer, folder: Path, tmp_path: Path
) -> None:
    def begun(*_: int) -> None:
        pytest.fail("it has begun")

    with pytest.raises(NoInputError, match=r"no photograph c\.png to show") as caught:
        evaluate(sharper, "blur", folder, out=tmp_path, shown=["c.png"], on_file=begun)
    assert caught.value.hint == "one of them is a.jpg"
    other = replace_card(enlarger, name="other")
    with pytest.raises(UsageError, match="the model other cannot stand beside test"):
        evaluate(sharper, "blur", folder, out=tmp_path, beside=other, on_file=begun)
    with pytest.raises(UsageError, match="both models are called test"):
        evaluate(sharper, "blur", folder, out=tmp_path, beside=sharper, on_file=begun)
