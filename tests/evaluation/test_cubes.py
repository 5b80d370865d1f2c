"""Cubes from their folder through every case to scores."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import nn

from serpent_cli.cubes.cube import Cube
from serpent_cli.cubes.files import written
from serpent_cli.degrade.cassi import WAVELENGTHS
from serpent_cli.errors import ModelError, NoInputError, PictureError, UsageError
from serpent_cli.evaluation.baselines import non_local_means
from serpent_cli.evaluation.cube_cases import DENOISE_CUBE, scene_of, snapshot
from serpent_cli.evaluation.cube_folder import cube_files, read_clean
from serpent_cli.evaluation.cube_suite import score_denoiser, score_snapshots
from serpent_cli.evaluation.run import evaluate_denoiser, evaluate_snapshots
from serpent_cli.evaluation.table import markdown
from serpent_cli.model.config import ModelConfig
from serpent_cli.restoration.cube_denoiser import CubeDenoiser

VISIBLE = tuple(float(nm) for nm in range(400, 701, 10))
Floats = Any


def scene(bands: int = 31, height: int = 24, width: int = 32) -> Floats:
    """A smooth cube, (bands, height, width) float32 in [0, 1]."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    turn = np.arange(bands, dtype=np.float32)[:, None, None] / 9
    return (0.5 + 0.4 * np.sin(rows / 6 + turn) * np.cos(columns / 7)).astype(np.float32)


def save(path: Path, planes: Floats, **facts: Any) -> Path:
    with written(path, Cube(planes, **facts)) as made:
        made[:] = planes
    return path


def pack(folder: Path, name: str, planes: Floats, top: int = 4095) -> None:
    """As the module's first sentence says."""
    counts = np.rint(planes * top).astype(np.uint16)
    stored = np.diff(counts, axis=0, prepend=np.uint16(0)).astype(np.uint16)
    Image.fromarray(stored.reshape(-1, planes.shape[2])).save(folder / name)
    bands, height, width = planes.shape
    entry = {"file": name, "bands": bands, "height": height, "width": width, "top": top,
             "wavelengths_nm": list(VISIBLE[:bands])}  # fmt: skip
    (folder / "index.json").write_text(json.dumps([entry]))


@pytest.fixture
def denoiser(card_for: Callable[..., Any]) -> CubeDenoiser:
    """The axes of a cube alone: a network that changes nothing."""
    card = replace(card_for(ModelConfig(channels=6)), task="denoise")
    return CubeDenoiser(nn.Identity(), card)


def test_a_folder_holds_cubes_of_every_format(tmp_path: Path) -> None:
    """An ENVI cube once, whose files are two; no photographs."""
    for name in ("a.npy", "b.hdr", "c.tif", "d.mat"):
        save(tmp_path / name, np.rint(4000 * scene(9)).astype(np.uint16))
    Image.new("RGB", (40, 40)).save(tmp_path / "p.png")
    Image.new("RGB", (40, 40)).save(tmp_path / "p.tif")
    (tmp_path / "notes.txt").write_text("no cube")
    files = cube_files(tmp_path)
    assert [path.name for path in files] == ["a.npy", "b.hdr", "c.tif", "d.mat"]
    for path in files:
        planes = read_clean(path).planes
        assert planes.max() == 1.0
        np.testing.assert_allclose(planes, scene(9) / scene(9).max(), atol=2e-4)


def test_a_packed_folder_is_read_by_its_index(tmp_path: Path) -> None:
    pack(tmp_path, "scene.png", scene())
    Image.new("RGB", (40, 40)).save(tmp_path / "other.png")
    (path,) = cube_files(tmp_path)
    cube = read_clean(path)
    np.testing.assert_allclose(cube.planes, scene(), atol=0.5 / 4095 + 1e-6)
    assert cube.wavelengths == VISIBLE
    assert cube.planes.max() < 0.95, "full scale is the index's, not the brightest sample"
    entry = json.loads((tmp_path / "index.json").read_text())[0]
    (tmp_path / "index.json").write_text(json.dumps([entry | {"height": 23}]))
    with pytest.raises(PictureError, match=r"not what index\.json says"):
        read_clean(path)
    for text in ("{", '{"file": 1}', "[3]", "[{}]"):
        (tmp_path / "index.json").write_text(text)
        with pytest.raises(PictureError, match="no list of cubes"):
            cube_files(tmp_path)


def test_what_cannot_be_scored_by_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs cubes"):
        cube_files(None)
    with pytest.raises(NoInputError, match="no cube in"):
        cube_files(tmp_path)
    with pytest.raises(NoInputError, match="cannot look into"):
        cube_files(tmp_path / "none")
    with pytest.raises(PictureError, match="smaller than 11 x 11"):
        read_clean(save(tmp_path / "small.tif", scene(9, 10, 20)))
    holed = scene(9)
    holed[3, 4, 5] = np.nan
    with pytest.raises(PictureError, match="places without data"):
        read_clean(save(tmp_path / "holed.tif", holed))


def test_each_case_does_what_its_name_says() -> None:
    clean = np.full((60, 40, 50), 0.5, np.float32)
    for case in DENOISE_CUBE:
        off = case.apply("a.npy", clean) - clean
        np.testing.assert_array_equal(off, case.apply("a.tif", clean) - clean)
        assert not np.array_equal(off, case.apply("b.npy", clean) - clean)
        spread = off.std((1, 2)) * 255
        if case.own:
            assert spread.min() < 15 < 35 < spread.max()
        elif not case.stripes and not case.dead:
            np.testing.assert_allclose(spread, case.noise, rtol=0.1)
        # Of a column, and of a row, the noise alone has a mean near 0.
        lines = max(np.abs(off.mean(axis)).max() for axis in (1, 2)) * 255
        assert (lines > 5 * case.noise / math.sqrt(40)) == (case.stripes or case.dead)
        dead = np.isin(off, np.float32([-0.5, 0.0, 0.5])).mean()
        assert (0 < dead < 0.03) if case.dead else dead < 1e-3


def test_scenes_get_the_bands_of_snapshots() -> None:
    cube = Cube(scene(), wavelengths=VISIBLE)
    made = scene_of(cube, 28)
    assert made is not None and made.shape == (28, 24, 32)
    expected = [np.interp(WAVELENGTHS, VISIBLE, cube.planes[:, y, 7]) for y in range(24)]
    np.testing.assert_allclose(made[:, :, 7].T, expected, atol=1e-6)
    assert scene_of(cube, 31) is cube.planes
    edge = Cube(scene(2), wavelengths=(453.5, 648.0))
    assert scene_of(edge, 28) is not None, "both ends belong to it"
    for unfit in (Cube(scene()), Cube(scene(), wavelengths=VISIBLE[::-1]),
                  Cube(scene(), wavelengths=tuple(nm + 60 for nm in VISIBLE))):  # fmt: skip
        assert scene_of(unfit, 28) is None
    assert scene_of(cube, 12) is None


def test_a_snapshot_depends_on_the_name_alone() -> None:
    first, mask = snapshot("a.npy", scene(28))
    assert first.shape == (24, 32 + 54) and mask.shape == (24, 32)
    np.testing.assert_array_equal(first, snapshot("a.hdr", scene(28))[0])
    assert not np.array_equal(mask, snapshot("b.npy", scene(28))[1])


def test_non_local_means_denoise_each_band() -> None:
    clean = scene(3, 40, 40)
    noisy = clean + np.random.default_rng(1).normal(0, 0.1, clean.shape).astype(np.float32)
    noisy[1] = clean[1]
    made = non_local_means(noisy, clean)
    for band in (0, 2):
        assert np.square(made[band] - clean[band]).mean() < 0.2 * 0.1**2
    np.testing.assert_array_equal(made[1], clean[1])


def test_a_denoiser_is_scored_in_every_case(denoiser: CubeDenoiser, tmp_path: Path) -> None:
    for name in ("a.npy", "b.tif"):
        save(tmp_path / name, scene(20))
    seen = list[tuple[int, int]]()
    out = tmp_path / "out"
    means = evaluate_denoiser(denoiser, tmp_path, out=out, on_file=lambda *n: seen.append(n))
    assert [mean.case for mean in means] == [case.name for case in DENOISE_CUBE]
    assert seen == [(1, 2), (2, 2)]
    assert {path.name for path in out.iterdir()} == {"results.json", "results.csv", "results.md"}
    written = json.loads((out / "results.json").read_text())
    assert (written["suite"], written["model"]) == ("denoise-cube", "test")
    assert len(written["scores"]) == 2 * len(DENOISE_CUBE)
    assert (out / "results.md").read_text() == markdown(means)
    noisy = next(mean for mean in means if mean.case == "cube noise 25")
    assert noisy.baseline == "non-local means"
    assert noisy.before == pytest.approx(-20 * math.log10(25 / 255), abs=0.5)
    assert noisy.after > noisy.before + 6 and noisy.baseline_after > noisy.before + 6
    assert noisy.sam_after < noisy.sam_before


def test_figures_are_those_of_what_a_user_runs(denoiser: CubeDenoiser, tmp_path: Path) -> None:
    path = save(tmp_path / "a.npy", scene(20))
    truth = read_clean(path).planes
    case = next(case for case in DENOISE_CUBE if case.name == "cube noise 25")
    given = case.apply("a.npy", truth)
    made = np.empty_like(given)
    denoiser.denoise(Cube(given), made, white=1.0)
    errors = np.square(made.clip(0, 1) - truth).mean((1, 2))
    (score,) = (s for s in score_denoiser(denoiser, [path]) if s.case == case.name)
    assert score.after == pytest.approx(np.mean(-10 * np.log10(errors)), abs=1e-4)


def test_snapshots_are_scored_where_the_bands_reach(tmp_path: Path) -> None:
    save(tmp_path / "a.tif", scene(), wavelengths=VISIBLE)
    save(tmp_path / "b.tif", scene(28))
    save(tmp_path / "c.tif", scene())
    by_filter, by_gap_tv = (evaluate_snapshots(each, tmp_path)[0] for each in ("wiener", "gap-tv"))
    assert (by_filter.case, by_filter.files, by_filter.baseline) == ("snapshot", 2, "GAP-TV")
    assert by_filter.after > by_filter.baseline_after > by_filter.before
    assert by_gap_tv.after == pytest.approx(by_filter.baseline_after, abs=1e-3)
    assert (by_gap_tv.over_baseline, by_gap_tv.met) == (0.0, False)
    (tmp_path / "a.tif").unlink()
    (tmp_path / "b.tif").unlink()
    with pytest.raises(NoInputError, match="none of the 1 cubes has the bands"):
        evaluate_snapshots("wiener", tmp_path)


def test_weights_for_something_else_are_refused(
    card_for: Callable[..., Any], tmp_path: Path
) -> None:
    path = save(tmp_path / "a.npy", scene())
    with pytest.raises(ModelError, match="does not reconstruct snapshots"):
        score_snapshots((nn.Identity(), card_for(ModelConfig())), [path])
