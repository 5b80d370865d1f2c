"""`serpent compare` of cubes of many bands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from PIL import Image

from serpent_cli.cubes.cube import Cube
from serpent_cli.cubes.files import read_cube, written
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


def save(path: Path, planes: Any) -> None:
    """Planes (T, H, W) as the format of a name; a photograph is their first three."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        Image.fromarray((planes[:3] * 255).astype(np.uint8).transpose(1, 2, 0)).save(path)
        return
    with written(path, Cube(planes)) as samples:
        samples[:] = planes


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Cubes of four formats and a photograph in each; one cube more in each; one has a folder."""
    planes = np.random.default_rng(0).random((9, 30, 40), np.float32)
    for folder, lonely in (("before", "old"), ("after", "new")):
        place = tmp_path / folder
        for name in ("a.npy", "b.mat", "c.hdr", "d.tif", "e.png", f"{lonely}.npy", "deep/a.hdr"):
            save(place / name, planes if folder == "before" else planes / 2)
        (place / "notes.txt").write_text("of the flight")
    return tmp_path / "before", tmp_path / "after"


def pairs_of(outcome: Any) -> list[tuple[str, int | None]]:
    """Names after and numbers of bands, as --json tells."""
    return [
        (Path(pair["after"]).name, pair.get("bands"))
        for pair in json.loads(outcome.out[0])["pairs"]
    ]


def test_folders_of_cubes_and_photographs(
    serpent: Serpent, folders: tuple[Path, Path], report: Path
) -> None:
    outcome = serpent("compare", *folders, "-o", report, "--json", "--white", 1)
    assert outcome.code == 0
    cubes = [(name, 9) for name in ("a.npy", "b.mat", "c.hdr", "d.tif")]
    assert pairs_of(outcome) == [*cubes, ("e.png", None)], "an ENVI cube is there once"
    record = json.loads(outcome.out[0])
    assert record["unpaired"] == [str(folders[0] / "old.npy"), str(folders[1] / "new.npy")]
    assert {pair.get("full_scale") for pair in record["pairs"]} == {1, None}
    text = report.read_text(encoding="utf-8")
    assert [f'id="spectra-{i}"' in text for i in range(5)] == [True] * 4 + [False]


def test_trees_of_cubes(serpent: Serpent, folders: tuple[Path, Path], report: Path) -> None:
    outcome = serpent("compare", "-r", *folders, "-o", report, "--json")
    assert outcome.code == 0
    assert pairs_of(outcome).count(("a.hdr", 9)) == 1
    assert '"name": "deep/a"' in report.read_text(encoding="utf-8")


def test_another_format_is_the_same_cube(
    serpent: Serpent, folders: tuple[Path, Path], report: Path
) -> None:
    planes = read_cube(folders[1] / "c.hdr").planes
    for path in folders[1].glob("c*"):
        path.unlink()
    save(folders[1] / "c.npy", planes)
    outcome = serpent("compare", *folders, "-o", report, "--json")
    assert ("c.npy", 9) in pairs_of(outcome)


def test_in_a_folder_a_cube_beside_a_photograph_is_left_out(
    serpent: Serpent, folders: tuple[Path, Path], report: Path
) -> None:
    (folders[1] / "a.npy").unlink()
    save(folders[1] / "a.png", read_cube(folders[0] / "a.npy").planes)
    outcome = serpent("compare", *folders, "-o", report, "--json", "--white", 1)
    assert outcome.code == 1
    assert len(pairs_of(outcome)) == 4
    (failed,) = json.loads(outcome.out[0])["failed"]
    assert "is a cube of many bands, and" in failed["error"]


def test_folders_without_cubes_take_no_options_of_cubes(
    serpent: Serpent, folders: tuple[Path, Path], report: Path
) -> None:
    for folder in folders:
        for path in folder.iterdir():
            if path.is_file() and path.suffix != ".png":
                path.unlink()
    serpent("compare", *folders, "-o", report, "--white", 1).failed(2, "--white is for cubes")
    (folders[1] / "e.png").unlink()
    serpent("compare", *folders, "-o", report).failed(3, "no picture was found in")
    save(folders[1] / "new.npy", np.zeros((9, 3, 4), np.float32))
    serpent("compare", *folders, "-o", report).failed(3, "no picture or cube in")


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
