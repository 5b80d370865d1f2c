"""What is opened, refused, and made of a photograph before it is restored."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from serpent_cli.errors import NoInputError, PictureError, UsageError
from serpent_cli.evaluation.trial import Suite, Trial, open_suite
from serpent_cli.zoo.card import Card

CardFor = Callable[..., Card]


def save(path: Path, height: int, width: int, dtype: type = np.uint8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (height, width, 3) if dtype is np.uint8 else (height, width)
    Image.fromarray(np.zeros(shape, dtype)).save(path)
    return path


def trials(suite: Suite) -> list[Trial]:
    return [trial for files in suite.files for trial in suite.trials(files)]


def test_wrong_requests_are_refused(trained_for: CardFor, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no suite 'denoise'"):
        open_suite("denoise", trained_for(), folder)
    for suite, scale in (("upscale", 1), ("deblur", 4), ("gaussian", 4)):
        with pytest.raises(UsageError, match=f"'{suite}' does not fit the model test"):
            open_suite(suite, trained_for(scale), folder)
    with pytest.raises(NoInputError, match="no photograph"):
        open_suite("deblur", trained_for(), tmp_path)
    with pytest.raises(UsageError, match="'upscale-real' does not fit the model test"):
        open_suite("upscale-real", trained_for(), folder)
    with pytest.raises(UsageError, match="'partial' needs photographs"):
        open_suite("partial", trained_for(), None)
    for scale in (1, 4):
        with pytest.raises(UsageError, match="'flat' needs no photographs"):
            open_suite("flat", trained_for(scale), folder)


def test_photographs_that_cannot_be_scored(trained_for: CardFor, tmp_path: Path) -> None:
    suite = open_suite("deblur", trained_for(), save(tmp_path / "a.png", 31, 64).parent)
    with pytest.raises(PictureError, match="smaller than 32 x 32"):
        trials(suite)
    save(tmp_path / "a.png", 40, 64)
    assert trials(suite)
    with pytest.raises(PictureError, match="smaller than 41 x 41"):
        trials(open_suite("partial", trained_for(), tmp_path))
    save(tmp_path / "a.png", 41, 41)
    assert trials(open_suite("partial", trained_for(), tmp_path))
    save(tmp_path / "a.png", 64, 64, np.uint16)
    with pytest.raises(PictureError, match="not an 8-bit picture"):
        trials(suite)


def test_frames_are_cut_to_whole_multiples(trained_for: CardFor, folder: Path) -> None:
    for scale in (2, 4, 8):
        (first, second) = trials(open_suite("upscale", trained_for(scale), folder))
        height, width = 97 // scale * scale, 127 // scale * scale
        assert first.truth.shape == first.before.shape == (height, width, 3)
        assert second.given.shape == (height // scale, width // scale, 3)


def test_oracles_are_told_gaussians_only(trained_for: CardFor, folder: Path) -> None:
    told = {
        trial.case: trial.kernel
        for suite in ("deblur", "gaussian-61", "blur", "partial", "defocus")
        for trial in trials(open_suite(suite, trained_for(), folder))
    }
    sides = {case: kernel.shape[0] for case, kernel in told.items() if kernel is not None}
    assert sides == {
        "gaussian 1.0": 9, "gaussian 1.6": 15, "gaussian 2.4": 21, "gaussian-61 3.0 noise 12.75": 61
    }  # fmt: skip


def test_pairs_are_found_by_name(trained_for: CardFor, tmp_path: Path) -> None:
    for name in ("ref/b.png", "ref/a.png", "in/a.jpg", "in/b.bmp"):
        save(tmp_path / name, 40, 48)
    suite = open_suite("pairs", trained_for(), tmp_path)
    names = [[path.name for path in files] for files in suite.files]
    assert names == [["a.png", "a.jpg"], ["b.png", "b.bmp"]]
    assert [trial.file for trial in trials(suite)] == ["a.png", "b.png"]


def test_pairs_that_are_none(trained_for: CardFor, tmp_path: Path) -> None:
    save(tmp_path / "ref/a.png", 40, 48)
    with pytest.raises(NoInputError, match=r"no photograph in .*in"):
        open_suite("pairs", trained_for(), tmp_path)
    save(tmp_path / "in/a.png", 40, 48)
    lone = save(tmp_path / "in/b.png", 40, 48)
    with pytest.raises(NoInputError, match=f"{lone} has no partner b in .*ref"):
        open_suite("pairs", trained_for(), tmp_path)
    lone.rename(tmp_path / "ref/c.png")
    with pytest.raises(NoInputError, match=r"c.png has no partner c in .*in"):
        open_suite("pairs", trained_for(), tmp_path)
    (tmp_path / "ref/c.png").unlink()
    save(tmp_path / "in/a.jpg", 40, 48)
    with pytest.raises(UsageError, match=r"a.jpg and .*a.png have the same name"):
        open_suite("pairs", trained_for(), tmp_path)


def test_pairs_that_do_not_fit_the_scale(trained_for: CardFor, tmp_path: Path) -> None:
    save(tmp_path / "ref/a.png", 40, 48)
    save(tmp_path / "in/a.png", 10, 12)
    (trial,) = trials(open_suite("pairs", trained_for(4), tmp_path))
    assert trial.before.shape == trial.truth.shape == (40, 48, 3)
    for scale, wanted in ((1, "12 x 10"), (2, "24 x 20"), (8, "96 x 80")):
        with pytest.raises(PictureError, match=f"a.png is not {wanted} pixels"):
            trials(open_suite("pairs", trained_for(scale), tmp_path))
    save(tmp_path / "ref/a.png", 16, 16)
    save(tmp_path / "in/a.png", 4, 4)
    with pytest.raises(PictureError, match="smaller than 19 x 19"):
        trials(open_suite("pairs", trained_for(4), tmp_path))
