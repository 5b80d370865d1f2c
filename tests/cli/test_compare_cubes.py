"""`serpent compare` of cubes of many bands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import tifffile
from PIL import Image

from serpent_cli.cubes.files import read_cube
from serpent_cli.cubes.scale import full_scale
from serpent_cli.evaluation.cube_metrics import score_cube

Serpent = Callable[..., Any]


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two .npy of (30, 40, 9) in [0, 1], bands last; the first is noisy."""
    rows, columns, bands = np.mgrid[:30, :40, :9] / 8
    clean = 0.5 + 0.4 * np.sin(rows + bands) * np.cos(columns)
    noisy = clean + 0.05 * np.random.default_rng(4).standard_normal(clean.shape)
    np.save(tmp_path / "a.npy", np.clip(noisy, 0, 1))
    np.save(tmp_path / "b.npy", clean)
    return tmp_path / "a.npy", tmp_path / "b.npy"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def test_two_cubes(serpent: Serpent, two: tuple[Path, Path], report: Path) -> None:
    outcome = serpent("compare", *two, "-o", report)
    assert (outcome.code, outcome.out, outcome.err) == (0, [str(report)], [])
    text = report.read_text(encoding="utf-8")
    assert 'id="spectra-0"' in text
    assert "Before: Read as 9 bands of 30x40: the last axis is taken for the bands" in text


def test_json_tells_the_figures(serpent: Serpent, two: tuple[Path, Path], report: Path) -> None:
    outcome = serpent("compare", *two, "-o", report, "--json")
    (pair,) = json.loads(outcome.out[0])["pairs"]
    cubes = [read_cube(path) for path in two]
    full = max(full_scale(cube) for cube in cubes)
    expected = score_cube(cubes[0].planes / full, cubes[1].planes / full)
    assert (pair["width"], pair["height"], pair["bands"]) == (40, 30, 9)
    assert pair["full_scale"] == full
    assert pair["mpsnr_db"] == pytest.approx(expected.mpsnr, abs=1e-3)
    assert pair["ssim"] == pytest.approx(expected.mssim, abs=1e-4)
    assert pair["sam_degrees"] == pytest.approx(expected.sam, abs=1e-3)
    assert not pair["identical"]
    outcome = serpent("compare", two[0], two[0], "-fo", report, "--json", "--white", 2)
    (pair,) = json.loads(outcome.out[0], parse_constant=pytest.fail)["pairs"]
    assert (pair["mpsnr_db"], pair["identical"], pair["full_scale"]) == (None, True, 2)


def test_bands_and_variables_are_chosen(
    serpent: Serpent, two: tuple[Path, Path], report: Path, tmp_path: Path
) -> None:
    outcome = serpent("compare", *two, "-o", report, "--json", "--bands", "first")
    assert json.loads(outcome.out[0])["pairs"][0]["bands"] == 30
    content = {"x": np.zeros((30, 40, 9)), "y": np.load(two[1])}
    scipy.io.savemat(tmp_path / "c.mat", content)
    terms = ("compare", tmp_path / "c.mat", two[1], "-fo", report)
    serpent(*terms).failed(1, "its cubes are x, y")
    outcome = serpent(*terms, "--json", "--variable", "y")
    assert json.loads(outcome.out[0])["pairs"][0]["identical"]


def test_folders_with_multiband_tiff(serpent: Serpent, report: Path, tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(0, 4096, (30, 40, 9), np.uint16)
    for folder in ("before", "after"):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(
            tmp_path / folder / "c.tif", samples, photometric="minisblack", planarconfig="contig"
        )
        Image.new("RGB", (20, 10)).save(tmp_path / folder / "p.png")
    outcome = serpent("compare", tmp_path / "before", tmp_path / "after", "-o", report, "--json")
    assert outcome.code == 0
    pairs = json.loads(outcome.out[0])["pairs"]
    assert [pair.get("bands") for pair in pairs] == [9, None]
    outcome = serpent(
        "compare", tmp_path / "before", tmp_path / "after", "-fo", report, "--white", 4095
    )
    assert outcome.code == 0, "one of the pairs is cubes"


def test_what_does_not_go_together(
    serpent: Serpent, two: tuple[Path, Path], report: Path, tmp_path: Path
) -> None:
    photo = tmp_path / "p.png"
    Image.new("RGB", (40, 30)).save(photo)
    outcome = serpent("compare", two[0], photo, "-o", report)
    outcome.failed(2, "is a cube of many bands, and")
    assert "compare two cubes, or two photographs" in outcome.hint
    np.save(tmp_path / "c.npy", np.load(two[0])[:, :-1])
    serpent("compare", two[0], tmp_path / "c.npy", "-o", report).failed(2, "9 bands of 39x30")
    for option, value in (("--white", 9), ("--bands", "last"), ("--variable", "x")):
        serpent("compare", photo, photo, "-o", report, option, value).failed(
            2, f"{option} is for cubes, not for photographs"
        )
    serpent("compare", *two, "-o", report, "--white", 0).failed(2, "--white must be positive")
    serpent("compare", two[0], tmp_path / "none.npy", "-o", report).failed(3, "none.npy")
    two[1].write_bytes(b"no cube")
    serpent("compare", *two, "-o", report).failed(1, "it is no array of numbers")
    assert not report.exists()
