import math
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from scipy import ndimage

from serpent_cli.errors import NoInputError, PictureError, UsageError
from serpent_cli.evaluation.metrics import psnr, rgb_to_y
from serpent_cli.evaluation.suite import CLEAN, DEBLUR_CASES, degraded_inputs, run_suite
from serpent_cli.restore.restorer import Restorer

BLURRED = list(DEBLUR_CASES)


def test_every_photograph_in_every_case(untouched: Restorer, folder: Path) -> None:
    calls: list[tuple[int, int]] = []
    scores = run_suite(untouched, "deblur", folder, lambda done, all_: calls.append((done, all_)))
    assert [(s.file, s.case) for s in scores] == [
        (file, case) for file in ("a.jpg", "b.png") for case in (*BLURRED, CLEAN)
    ]
    assert calls == [(1, 2), (2, 2)]


def test_doing_nothing_gains_nothing(untouched: Restorer, folder: Path) -> None:
    for score in run_suite(untouched, "deblur", folder):
        assert score.after == score.before
        assert score.ssim_after == score.ssim_before
        assert (score.before == math.inf) == (score.case == CLEAN)


def test_sharpening_gains_on_blur_and_costs_on_sharp_pictures(
    sharper: Restorer, folder: Path
) -> None:
    scores = {(s.file, s.case): s for s in run_suite(sharper, "deblur", folder)}
    for file in ("a.jpg", "b.png"):
        assert scores[file, "gaussian 1.6"].after > scores[file, "gaussian 1.6"].before + 0.3
        assert 15 < scores[file, CLEAN].after < 40


def test_the_input_is_blur_noise_and_rounding_as_scipy_makes_them() -> None:
    """Blur of sRGB values with reflection, noise of 1/255, clipped, 8 bits, the whole frame."""
    sharp = skimage.data.coffee()[:120, :160] / 255
    clean = torch.from_numpy(sharp).permute(2, 0, 1)[None].float()
    inputs = {case: x[0].permute(1, 2, 0).numpy() for case, x in degraded_inputs("a.png", clean)}
    for sigma in (1.0, 1.6, 2.4):
        blurred = ndimage.gaussian_filter(sharp, (sigma, sigma, 0), mode="mirror", truncate=5)
        difference = inputs[f"gaussian {sigma}"] - blurred
        assert float(np.std(difference)) * 255 == pytest.approx(math.hypot(1, 12**-0.5), rel=0.02)
        assert abs(float(np.mean(difference))) * 255 < 0.02
        borders = np.concatenate((difference[:3].ravel(), difference[:, -3:].ravel()))
        assert float(np.std(borders)) * 255 < 1.15
    for x in inputs.values():
        np.testing.assert_allclose(x * 255, np.round(x * 255), atol=1e-4)
    np.testing.assert_array_equal(inputs[CLEAN], sharp.astype(np.float32))


def test_the_file_name_decides_the_noise() -> None:
    clean = torch.full((1, 3, 32, 32), 0.5)
    first, again, other = (dict(degraded_inputs(name, clean)) for name in ("a", "a", "b"))
    for case in BLURRED:
        assert torch.equal(first[case], again[case])
        assert not torch.equal(first[case], other[case])


def test_strengths_of_the_blurs_are_those_of_their_names() -> None:
    point = torch.zeros(1, 3, 65, 65)
    point[..., 32, 32] = 1
    steps = torch.arange(65.0) - 32
    for case, apply in DEBLUR_CASES.items():
        spread = apply(point)[0, 0]
        assert float(spread.sum()) == pytest.approx(1, abs=1e-4)
        variance = float((spread * (steps[:, None] ** 2 + steps**2)).sum())
        number = float(case.split()[-1])
        wanted = {"disk": number**2 / 2, "motion": number**2 / 12}.get(
            case.split()[0], 2 * number**2
        )
        assert variance == pytest.approx(wanted, abs=0.45), case


def test_upscaling_is_scored_on_luma_against_bicubic(enlarger: Restorer, folder: Path) -> None:
    scores = run_suite(enlarger, "upscale", folder)
    assert [(s.file, s.case) for s in scores] == [("a.jpg", "bicubic x4"), ("b.png", "bicubic x4")]
    for score in scores:
        # Another cubic: close to the baseline, but not it; cutting the border changes both.
        assert 0 < abs(score.after - score.before) < 0.5
        assert score.before_cropped != score.before
        assert 0.5 < score.ssim_before < 1


def test_the_bicubic_baseline_is_pillows_away_from_the_border(
    enlarger: Restorer, folder: Path
) -> None:
    """An outside way to the published baseline: Pillow's reduction and enlargement, a = -1/2."""
    score = run_suite(enlarger, "upscale", folder)[1]
    sharp = Image.open(folder / "b.png").crop((0, 0, 124, 96))
    small = sharp.resize((31, 24), Image.Resampling.BICUBIC)
    large = small.resize((124, 96), Image.Resampling.BICUBIC)
    lumas = [rgb_to_y(np.asarray(x) / 255)[4:-4, 4:-4] for x in (large, sharp)]
    assert score.before_cropped == pytest.approx(psnr(*lumas), abs=0.1)


def test_wrong_requests_are_refused(untouched: Restorer, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no suite 'denoise'"):
        run_suite(untouched, "denoise", folder)
    with pytest.raises(UsageError, match="'upscale' does not fit the model test"):
        run_suite(untouched, "upscale", folder)
    with pytest.raises(NoInputError, match="no photograph"):
        run_suite(untouched, "deblur", tmp_path)


def test_photographs_that_cannot_be_scored(untouched: Restorer, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((31, 64, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(PictureError, match="smaller than 32 x 32"):
        run_suite(untouched, "deblur", tmp_path)
    Image.fromarray(np.zeros((64, 64), np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(PictureError, match="not an 8-bit picture"):
        run_suite(untouched, "deblur", tmp_path)
