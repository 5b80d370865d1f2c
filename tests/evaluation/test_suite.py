import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from serpent_cli.evaluation.cases import CASES, CLEAN
from serpent_cli.evaluation.metrics import psnr, rgb_to_y, ssim
from serpent_cli.evaluation.suite import Score
from serpent_cli.evaluation.trial import open_suite
from serpent_cli.imaging.picture import Picture
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
        assert score.st_lpips_before is score.st_lpips_after is None


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
        assert (score.st_lpips_before == 0) == (score.case == CLEAN)
        assert score.st_lpips_after is not None
        assert 0 < score.st_lpips_after < 1


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


def test_low_frequencies_are_compared_where_the_input_is_clean(
    scored: RunSuite, enlarger: Restorer, folder: Path
) -> None:
    known = {
        score.case: score.low_frequency_rms
        for score in scored(enlarger, "upscale-real", folder)
        if score.file == "b.png"
    }
    found = {case: value for case, value in known.items() if value is not None}
    assert found.keys() == {"bicubic x4"}
    assert 0.5 < found["bicubic x4"] < 10, "torch's cubic is another one, and blurs"


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


def test_one_restoration_is_scored_in_every_part(
    scored: RunSuite, sharper: Restorer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine restorations of each photograph, seven rows for each of three blurs."""
    calls: list[int] = []
    restore = Restorer.restore

    def counted(self: Restorer, picture: Picture) -> Picture:
        calls.append(1)
        return restore(self, picture)

    monkeypatch.setattr(Restorer, "restore", counted)
    scores = [s for s in scored(sharper, "partial", folder) if s.file == "b.png"]
    assert len(calls) == 2 * 9
    assert [s.case for s in scores[:7]] == [
        "gaussian 1.6", "gaussian 1.6, same half", "gaussian 1.6, same rim",
        "half gaussian 1.6", "half gaussian 1.6, sharp part",
        "rim gaussian 1.6", "rim gaussian 1.6, sharp part",
    ]  # fmt: skip
    assert len(scores) == 21


def test_parts_are_measured_where_they_lie(
    scored: RunSuite, sharper: Restorer, folder: Path
) -> None:
    """Against PSNR and SSIM of the cut-out half, and what an unsharp mask does to each part."""
    scores = {s.case: s for s in scored(sharper, "partial", folder) if s.file == "b.png"}
    suite = open_suite("partial", sharper.card, folder)
    trials = {trial.case: trial for trial in suite.trials(suite.files[1])}
    given, truth = (x[:, :63] for x in (trials["disk 3"].before, trials["disk 3"].truth))
    half, even = scores["half disk 3"], scores["disk 3, same half"]
    assert half.before == even.before == pytest.approx(psnr(given, truth))
    assert half.ssim_before == even.ssim_before == pytest.approx(ssim(given, truth), abs=1e-6)
    # A mask of three pixels sees one column beyond the edge, and nothing more.
    assert half.after == pytest.approx(even.after, abs=0.2)
    assert half.after != even.after
    for part in ("half", "rim"):
        sharp = scores[f"{part} disk 3, sharp part"]
        assert sharp.before == math.inf and sharp.after < 45
        assert sharp.levels is not None and sharp.levels > 2
        assert half.levels is None


def test_doing_nothing_leaves_the_sharp_part_alone(
    scored: RunSuite, untouched: Restorer, folder: Path
) -> None:
    for score in scored(untouched, "partial", folder):
        assert score.after == score.before
        assert (score.before == math.inf) == (score.part == "sharp part")
        assert score.levels == (0.0 if score.part == "sharp part" else None)


@pytest.mark.parametrize("suite", ["shake", "defocus"])
def test_linear_suites_are_scored(
    scored: RunSuite, untouched: Restorer, folder: Path, suite: str
) -> None:
    by_size = [s.before for s in scored(untouched, suite, folder) if s.file == "a.jpg"]
    assert by_size == sorted(by_size, reverse=True), "the wider, the worse"
    assert by_size[0] > by_size[-1] + 2


class Rim(nn.Module):
    """Adds 7/255 to the first column, and nothing elsewhere."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.clone()
        x[..., 0] += 7 / 255
        return x


def test_flat_colours_are_measured_up_to_the_border(
    scored: RunSuite, untouched: Restorer, enlarger: Restorer
) -> None:
    scores = scored(untouched, "flat", None)
    assert [s.case for s in scores] == [
        f"flat {c}" for c in ("green", "red", "blue", "white", "black")
    ]
    assert {s.levels for s in scores} == {0.0}
    rim = Restorer(Rim(), untouched.card, device=torch.device("cpu"), tile="whole")
    levels = {s.file: round(s.levels or 0, 3) for s in scored(rim, "flat", None)}
    assert levels == {"green": 7.0, "red": 7.0, "blue": 7.0, "white": 0.0, "black": 7.0}
    enlarged = scored(enlarger, "flat", None)
    assert [s.part for s in enlarged] == [""] * 5
    assert all(s.levels == 0 and s.before == math.inf for s in enlarged)


def test_small_pictures_as_they_come(scored: RunSuite, enlarger: Restorer, folder: Path) -> None:
    scores = [s for s in scored(enlarger, "upscale-real", folder) if s.file == "b.png"]
    names = [
        "bicubic", "box", "bilinear aliased", "jpeg 95", "jpeg 90", "jpeg 75", "jpeg 50",
        "noise 5", "noise 10",
    ]  # fmt: skip
    cut = {s.case: s for s in scores if s.part == "border cut"}
    assert list(cut) == [f"{name} x4, border cut" for name in names]
    (clean,) = (s for s in scored(enlarger, "upscale", folder)[2:] if not s.part)
    assert scores[0].before == clean.before and scores[0].case == clean.case
    before = [cut[f"{name} x4, border cut"].before for name in names]
    assert before[3:7] == sorted(before[3:7], reverse=True)
    assert before[0] > before[7] > before[8]
    # Another cubic makes more of the noise than the one it is compared with.
    gains = [s.after - s.before for s in cut.values()]
    assert gains[8] < gains[7] < gains[0]


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
        f"pairs {tmp_path.name}", "b.png", pytest.approx(wanted), pytest.approx(wanted),
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
    name = f"pairs {tmp_path.name}"
    assert [score.case for score in pairs] == [name, f"{name}, border cut"]
    own = scored(enlarger, "upscale", folder)[2:]
    for mine, theirs in zip(pairs, own, strict=True):
        assert mine.before == pytest.approx(theirs.before, abs=0.1)
