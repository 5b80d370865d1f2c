"""`serpent upscale --style`: which weights, what results are called, and what is noted of them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from serpent_cli import restore
from serpent_cli.cli import completing
from serpent_cli.degrade.resize import bicubic_reduce
from serpent_cli.evaluation.metrics import reduced_rms

Serpent = Callable[..., Any]
CRISP = "--scale", 4, "--style", "crisp"


def pixels(path: str | Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.mark.usefixtures("style_shelf")
def test_each_style_has_its_own_weights_and_names(serpent: Serpent, photo_file: Path) -> None:
    plain = serpent("upscale", photo_file, "--scale", 4)
    outcome = serpent("upscale", photo_file, *CRISP)
    assert (plain.code, outcome.code) == (0, 0)
    assert plain.out == [str(photo_file.with_name("cup_x4.png"))]
    assert outcome.out == [str(photo_file.with_name("cup_x4_crisp.png"))]
    assert not np.array_equal(pixels(plain.out[0]), pixels(outcome.out[0]))
    assert outcome.progress[0].startswith("loading upscale-x4-crisp ")
    for model, made in (("upscale-x4", plain), ("upscale-x4-crisp", outcome)):
        named = photo_file.with_name(f"{model}.png")
        assert serpent("upscale", photo_file, "-s", 4, "--model", model, "-o", named).code == 0
        assert np.array_equal(pixels(named), pixels(made.out[0]))
    said = photo_file.with_name("said.png")
    natural = serpent("upscale", photo_file, "-s", 4, "--style", "natural", "-o", said)
    assert natural.progress[0].startswith("loading upscale-x4 ")
    assert np.array_equal(pixels(said), pixels(plain.out[0]))


@pytest.mark.usefixtures("style_shelf")
def test_a_size_chooses_among_the_scales_of_the_style(serpent: Serpent, photo_file: Path) -> None:
    plain = serpent("upscale", photo_file, "--size", "210x")
    assert plain.progress[0].startswith("loading upscale-x8 ")
    outcome = serpent("upscale", photo_file, "--size", "210x", "--style", "crisp")
    assert outcome.progress[0].startswith("loading upscale-x4-crisp ")
    assert outcome.out == [str(photo_file.with_name("cup_upscaled_crisp.png"))]
    assert Image.open(outcome.out[0]).size == (210, 126)


@pytest.mark.usefixtures("style_shelf")
def test_a_folder_of_another_style_is_done_anew(serpent: Serpent, photo_file: Path) -> None:
    trip, out = photo_file.parent / "trip", photo_file.parent / "out"
    trip.mkdir()
    shutil.copy(photo_file, trip / "a.png")
    beside = serpent("upscale", trip, *CRISP)
    assert beside.out == [str(photo_file.parent / "trip_x4_crisp" / "a.png")]
    status: list[str] = []
    for style in ("natural", "natural", "crisp", "crisp", "natural"):
        outcome = serpent("upscale", trip, "-s", 4, "--style", style, "-o", out, "--json")
        record = json.loads(outcome.out[0])
        status.append(record["status"])
    assert status == ["restored", "skipped", "restored", "skipped", "restored"]
    shown = serpent("upscale", trip, *CRISP, "-o", out, "--dry-run", "--json")
    assert json.loads(shown.out[0])["status"] == "would restore"
    shown = serpent("upscale", trip, "-s", 4, "-o", out, "--dry-run", "--json")
    assert json.loads(shown.out[0])["status"] == "would skip"


@pytest.mark.usefixtures("style_shelf")
def test_a_style_alone_enlarges_by_the_most_that_it_has(serpent: Serpent, photo_file: Path) -> None:
    outcome = serpent("upscale", photo_file, "--style", "crisp")
    assert outcome.out == [str(photo_file.with_name("cup_x4_crisp.png"))]
    assert serpent("upscale", photo_file).out == [str(photo_file.with_name("cup_x8.png"))]


@pytest.mark.usefixtures("style_shelf")
def test_styles_that_cannot_be_had(serpent: Serpent, photo_file: Path) -> None:
    for scale in (8, 3):
        outcome = serpent("upscale", photo_file, "--style", "crisp", "--scale", scale)
        outcome.failed(2, f"the style crisp does not enlarge by {scale}")
        assert outcome.hint == "hint: it has --scale 4"
    for style in ("natural", "crisp"):
        outcome = serpent("upscale", photo_file, "--style", style, "--model", "upscale-x8")
        outcome.failed(2, "a style and the model upscale-x8 do not go together")
    serpent("upscale", photo_file, "--style", "nice").failed(2, "'nice'")
    serpent("deblur", photo_file, "--style", "crisp").failed(2, "--style")
    assert [path.name for path in photo_file.parent.glob("*.png")] == ["cup.png"]


def test_a_style_without_any_weights(serpent: Serpent, photo_file: Path, style_shelf: Path) -> None:
    (style_shelf / "upscale-x4-crisp.json").unlink()
    for option in ("--scale", "--size"):
        outcome = serpent("upscale", photo_file, "--style", "crisp", option, 4)
        outcome.failed(4, "no bundled model enlarges in the style crisp")


@pytest.mark.usefixtures("style_shelf")
def test_scales_are_offered_once() -> None:
    assert completing.scales("") == [("4", ""), ("8", "")]


def test_the_bundled_crisp_weights_invent_texture_and_keep_large_shapes() -> None:
    """As the suite `upscale` measures it, on pictures of scikit-image: at most 1.5 levels."""
    changed: list[float] = []
    for photograph in (skimage.data.coffee, skimage.data.chelsea, skimage.data.astronaut):
        sharp = torch.from_numpy(photograph()[100:196, 200:328].copy()).permute(2, 0, 1)[None]
        reduced = bicubic_reduce(sharp.float(), 4).clamp(0, 255).round().byte()
        small = reduced[0].permute(1, 2, 0).numpy()
        natural, crisp = (restore(small, "upscale", scale=4, style=s) for s in ("natural", "crisp"))
        changed.append(reduced_rms(crisp / 255, small / 255))
        assert texture(crisp) > 1.15 * texture(natural)
    assert np.mean(changed) <= 1.5


def texture(picture: np.ndarray) -> float:
    """Mean absolute Laplacian of the grey picture."""
    grey = picture.mean(2)
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.abs(4 * grey[1:-1, 1:-1] - around).mean())
