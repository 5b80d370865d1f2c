"""`serpent eval`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serpent_cli.evaluation import packages, perceptual
from serpent_cli.zoo.card import Card

Serpent = Callable[..., Any]
Model = tuple[str, Path]


def test_missed_bars_are_an_exit_code(serpent: Serpent, model: Model, photos: Path) -> None:
    outcome = serpent("eval", "deblur", "--photos", photos, *model, "--json")
    assert outcome.code == 1, "random weights meet no bar"
    means = [json.loads(line) for line in outcome.out]
    assert [mean["case"] for mean in means if mean["met"] is False]
    *table, empty, caption = serpent("eval", "deblur", "--photos", photos, *model).out
    assert len(table) == 1 + len(means)
    assert table[0].startswith("case")
    assert empty == "" and caption.startswith("PSNR and SSIM of RGB, whole frames. Levels: ")


def test_st_lpips_says_what_it_lacks(
    serpent: Serpent, model: Model, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = "eval", "gaussian-61", "--photos", photos, *model
    assert serpent(*command).err == []
    monkeypatch.setattr(perceptual, "MODULE", "no_such_module")
    outcome = serpent(*command, "--perceptual")
    outcome.failed(5, "stlpips-pytorch, whose weights it takes, is not installed")
    assert outcome.hint == "hint: pip install --no-deps stlpips-pytorch"


def test_scores_are_kept_in_the_card(serpent: Serpent, model: Model, photos: Path) -> None:
    card = model[1].with_suffix(".json")
    before = Card.read(card)
    outcome = serpent("eval", "deblur", "--photos", photos, *model, "--write-card", "-q")
    assert outcome.err == [f"scores written to {card}"]
    first = Card.read(card)
    assert before.scores == []
    assert first.scores[0]["suite"] == "deblur"
    assert first.config == before.config
    serpent("eval", "deblur", "--photos", photos, "--write-card").failed(2, "--model PATH")


def test_a_suite_replaces_its_own_scores_only(serpent: Serpent, model: Model, photos: Path) -> None:
    for suite in ("gaussian-61", "deblur", "gaussian-61"):
        serpent("eval", suite, "--photos", photos, *model, "--write-card")
    scores = Card.read(model[1].with_suffix(".json")).scores
    assert [score["suite"] for score in scores] == ["deblur"] * 7 + ["gaussian-61"]


def test_results_go_to_a_folder(
    serpent: Serpent, model: Model, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serpent_cli.evaluation.oracles.ITERATIONS", (1,))  # in no time
    out = tmp_path / "out"
    outcome = serpent("eval", "gaussian-61", "--photos", photos, *model, "--oracles", "--out", out)
    assert outcome.code == 1, "random weights make it worse than it was"
    assert outcome.err[-1] == f"results and contact sheet written to {out}"
    assert "told the true kernel" in outcome.out[-1]
    assert len(list(out.iterdir())) == 4


def test_two_models_side_by_side(
    serpent: Serpent, model: Model, make_weights: Callable[..., Path], photos: Path, tmp_path: Path
) -> None:
    other, out = make_weights("other", expand=1.0), tmp_path / "out"
    command = "eval", "gaussian-61", "--photos", photos, *model
    outcome = serpent(*command, "--beside", other, "--show", "cup.png", "--out", out)
    assert outcome.err[-1] == f"results and contact sheet written to {out}"
    assert len(list(out.iterdir())) == 5
    with Image.open(out / "whole-cup.png.png") as sheet:
        assert sheet.size[0] > 4 * 64
    for option in (("--beside", other), ("--show", "cup.png")):
        serpent(*command, *option).failed(2, "--beside and --show need --out")
    serpent(*command, "--show", "mug.png", "--out", out).failed(3, "no photograph mug.png to show")


def test_enlarging_takes_a_scale_or_a_model(
    serpent: Serpent, enlarger: Model, photos: Path
) -> None:
    command = "eval", "upscale", "--photos", photos, "--json"
    lines = [json.loads(line) for line in serpent(*command, *enlarger).out]
    assert [line["case"] for line in lines] == ["bicubic x8", "bicubic x8, border cut"]
    (first, _) = (json.loads(line)["case"] for line in serpent(*command, "--scale", 4).out)
    assert first == "bicubic x4"
    (first, _) = (json.loads(line)["case"] for line in serpent(*command, "-s", 4, *enlarger).out)
    assert first == "bicubic x8", "--model decides"
    serpent(*command, "--scale", 3).failed(4, "by 3")


def test_wrong_evaluations(serpent: Serpent, model: Model, photos: Path, tmp_path: Path) -> None:
    serpent("eval", "upscale", "--photos", photos, *model).failed(2, "upscale")
    serpent("eval", "denoise", "--photos", photos, *model).failed(2, "denoise")
    serpent("eval", "denoise", "--photos", photos).failed(2, "denoise")
    serpent("eval", "deblur", "--photos", tmp_path, *model).failed(3, "no photograph")
    serpent("eval", "pairs", "--photos", photos, *model).failed(3, "no photograph")
    serpent("eval", "blur", "--photos", photos, *model, "--scale", 2).failed(2, "--scale")
    serpent("eval", "blur", "--photos", photos, *model, "--oracles").failed(2, "no Gaussian")
    serpent("eval", "blur", *model).failed(2, "needs photographs")
    serpent("eval", "flat", "--photos", photos, *model).failed(2, "needs no photographs")
    serpent("eval", "partial", "--photos", photos, *model, "--scale", 2).failed(2, "--scale")
    serpent("eval", "upscale-real", "--photos", photos, *model).failed(2, "does not fit")


def test_flat_colours_need_no_photographs(serpent: Serpent, model: Model) -> None:
    outcome = serpent("eval", "flat", *model, "--json", "--write-card")
    means = [json.loads(line) for line in outcome.out]
    assert [mean["case"] for mean in means][:2] == ["flat green", "flat red"]
    assert outcome.code == int(any(mean["levels"] > 2 for mean in means))
    scores = Card.read(model[1].with_suffix(".json")).scores
    assert {(score["suite"], score["photos"]) for score in scores} == {("flat", "colours")}


def test_cubes_are_scored_beside_a_baseline(serpent: Serpent, tmp_path: Path) -> None:
    rows, columns = np.mgrid[:24, :32].astype(np.float32)
    bands = np.arange(28, dtype=np.float32)[:, None, None]
    cube = 0.5 + 0.4 * np.sin(rows / 6 + bands / 9) * np.cos(columns / 7)
    np.save(tmp_path / "a.npy", np.moveaxis(cube, 0, -1))
    command = "eval", "reconstruct", "--photos", tmp_path
    by_weights, by_filter = (
        json.loads(serpent(*command, *model, "--json").out[0])
        for model in ((), ("--model", "wiener"))
    )
    assert by_weights["case"] == by_filter["case"] == "snapshot"
    assert by_weights["baseline_after"] == by_filter["baseline_after"]
    assert by_weights["after"] != by_filter["after"]
    out = tmp_path / "out"
    outcome = serpent(*command, "--model", "gap-tv", "--out", out)
    assert outcome.code == 1, "it is not above itself"
    assert outcome.err[-1] == f"results written to {out}"
    assert "Angle: mean between spectra" in outcome.out[-1]


def test_wrong_evaluations_of_cubes(serpent: Serpent, model: Model, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((16, 16, 7), np.float32))
    command = "eval", "denoise-cube", "--photos", tmp_path
    for option in ("--oracles", "--perceptual", ("--beside", "deblur", "--out", tmp_path)):
        given = (option,) if isinstance(option, str) else option
        serpent(*command, *given).failed(2, "mean nothing for the suite 'denoise-cube'")
    serpent(*command, "--scale", 2).failed(2, "--scale")
    serpent(*command, *model).failed(4, "does not denoise cubes")
    serpent("eval", "denoise-cube").failed(2, "needs cubes")
    command = "eval", "reconstruct", "--photos", tmp_path
    serpent(*command, "--tile", 64).failed(2, "--tile has no meaning")
    serpent(*command, *model).failed(4, "does not reconstruct")
    serpent(*command).failed(3, "none of the 1 cubes has the bands")
    (tmp_path / "a.npy").write_bytes(b"no cube")
    serpent(*command).failed(1, "no array of numbers")


def test_missing_packages_end_with_the_command_that_installs_them(
    serpent: Serpent, model: Model, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(packages.PACKAGES, "no_such_module", "no-such-package")
    outcome = serpent("eval", "deblur", "--photos", photos, *model)
    outcome.failed(5, "evaluation needs no-such-package")
    assert outcome.hint == "hint: pip install 'serpent-restore[eval]'"
