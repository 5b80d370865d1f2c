import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from serpent_cli.evaluation.cases import CASES, CLEAN
from serpent_cli.evaluation.metrics import psnr, rgb_to_y
from serpent_cli.evaluation.suite import Score
from serpent_cli.restoration.restorer import Restorer

RunSuite = Callable[..., list[Score]]


@pytest.mark.parametrize("suite", ["deblur", "blur"])
def test_every_photograph_in_every_case(
    scored: RunSuite, untouched: Restorer, folder: Path, suite: str
) -> None:
    calls: list[tuple[int, int]] = []
    scores = scored(untouched, suite, folder, on_file=lambda *done: calls.append(done))
    assert [(s.file, s.case) for s in scores] == [
        (file, case.name) for file in ("a.jpg", "b.png") for case in CASES[suite]
    ]
    assert calls == [(1, 2), (2, 2)]


def test_doing_nothing_gains_nothing(scored: RunSuite, untouched: Restorer, folder: Path) -> None:
    for score in scored(untouched, "deblur", folder):
        assert score.after == score.before
        assert score.ssim_after == score.ssim_before
        assert (score.before == math.inf) == (score.case == CLEAN)
        assert score.wiener == score.richardson_lucy == {}
        assert score.lpips_before is score.lpips_after is None


def test_sharpening_gains_on_blur_and_costs_on_sharp_pictures(
    scored: RunSuite, sharper: Restorer, folder: Path
) -> None:
    scores = {(s.file, s.case): s for s in scored(sharper, "deblur", folder)}
    for file in ("a.jpg", "b.png"):
        assert scores[file, "gaussian 1.6"].after > scores[file, "gaussian 1.6"].before + 0.3
        assert 15 < scores[file, CLEAN].after < 40


def test_cases_beyond_the_training_are_marked(
    scored: RunSuite, sharper: Restorer, folder: Path
) -> None:
    assert {s.note for s in scored(sharper, "blur", folder)} == {""}
    assert {s.note for s in scored(sharper, "gaussian-61", folder)} == {"out of range"}


def test_a_distance_is_taken_of_both_pictures_from_the_truth(
    scored: RunSuite, sharper: Restorer, folder: Path
) -> None:
    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a - b).max())

    for score in scored(sharper, "deblur", folder, distance=distance):
        assert (score.lpips_before == 0) == (score.case == CLEAN)
        assert score.lpips_after is not None
        assert 0 < score.lpips_after < 1


def test_upscaling_is_scored_on_luma_against_bicubic(
    scored: RunSuite, enlarger: Restorer, folder: Path
) -> None:
    scores = scored(enlarger, "upscale", folder)
    names = ["bicubic x4", "bicubic x4, border cut"]
    assert [(s.file, s.case) for s in scores] == [
        (file, case) for file in ("a.jpg", "b.png") for case in names
    ]
    for whole, cut in zip(scores[::2], scores[1::2], strict=True):
        # Another cubic: close to the baseline, but not it; cutting the border changes both.
        assert 0 < abs(whole.after - whole.before) < 0.5
        assert whole.before_cropped != whole.before
        assert 0.5 < whole.ssim_before < 1
        assert (cut.before, cut.after) == (whole.before_cropped, whole.after_cropped)
        assert cut.ssim_before != whole.ssim_before


def test_the_bicubic_baseline_is_pillows_away_from_the_border(
    scored: RunSuite, enlarger: Restorer, folder: Path
) -> None:
    """An outside way to the published baseline: Pillow's reduction and enlargement, a = -1/2."""
    cut = scored(enlarger, "upscale", folder)[3]
    sharp = Image.open(folder / "b.png").crop((0, 0, 124, 96))
    small = sharp.resize((31, 24), Image.Resampling.BICUBIC)
    large = small.resize((124, 96), Image.Resampling.BICUBIC)
    lumas = [rgb_to_y(np.asarray(x) / 255)[4:-4, 4:-4] for x in (large, sharp)]
    assert cut.before == pytest.approx(psnr(*lumas), abs=0.1)


def test_pairs_score_the_inputs_that_are_given(
    scored: RunSuite, untouched: Restorer, folder: Path, tmp_path: Path
) -> None:
    for name in ("ref", "in"):
        (tmp_path / name).mkdir()
    sharp = Image.open(folder / "b.png")
    sharp.save(tmp_path / "ref" / "b.png")
    shifted = np.clip(np.asarray(sharp).astype(int) + 5, 0, 255).astype(np.uint8)
    Image.fromarray(shifted).save(tmp_path / "in" / "b.tif")
    (score,) = scored(untouched, "pairs", tmp_path)
    wanted = psnr(shifted / 255, np.asarray(sharp) / 255)
    assert (score.case, score.file, score.before, score.after) == (
        "pairs", "b.png", pytest.approx(wanted), pytest.approx(wanted),
    )  # fmt: skip


def test_pairs_of_an_enlarger_are_scored_as_published(
    scored: RunSuite, enlarger: Restorer, folder: Path, tmp_path: Path
) -> None:
    for name in ("ref", "in"):
        (tmp_path / name).mkdir()
    sharp = Image.open(folder / "b.png").crop((0, 0, 124, 96))
    sharp.save(tmp_path / "ref" / "b.png")
    sharp.resize((31, 24), Image.Resampling.BICUBIC).save(tmp_path / "in" / "b.png")
    pairs = scored(enlarger, "pairs", tmp_path)
    assert [score.case for score in pairs] == ["pairs", "pairs, border cut"]
    own = scored(enlarger, "upscale", folder)[2:]
    for mine, theirs in zip(pairs, own, strict=True):
        assert mine.before == pytest.approx(theirs.before, abs=0.1)
