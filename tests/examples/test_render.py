import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
SIZES = {"sharp.png": (448, 640), "blurred.png": (448, 640), "small.png": (56, 80)}

Array = NDArray[np.float64]


def pixels(path: Path) -> Array:
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image).astype(np.float64)


def psnr(a: Array, b: Array) -> float:
    return -10 * math.log10(max(np.mean((a - b) ** 2), 1e-9) / 255**2)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder freshly filled by the script, run as its first line says."""
    folder = tmp_path_factory.mktemp("examples")
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    subprocess.run(
        [sys.executable, str(EXAMPLES / "render.py"), str(folder)],
        check=True, capture_output=True, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("name", SIZES)
def test_the_script_draws_the_pictures_of_the_repository(rendered: Path, name: str) -> None:
    """Other versions of FreeType and libm may move a level here and there, not more."""
    fresh, kept = pixels(rendered / name), pixels(EXAMPLES / name)
    assert fresh.shape == kept.shape == (*SIZES[name], 3)
    assert psnr(fresh, kept) > 45
    assert float(np.mean(np.abs(fresh - kept) > 2)) < 0.01


def test_the_blur_is_scipys_with_noise_of_one_level() -> None:
    sharp, blurred = pixels(EXAMPLES / "sharp.png"), pixels(EXAMPLES / "blurred.png")
    theirs = ndimage.gaussian_filter(sharp, (1.6, 1.6, 0), mode="mirror")
    noise = (blurred - theirs)[8:-8, 8:-8]
    assert float(noise.std()) == pytest.approx(math.hypot(1, 12**-0.5), rel=0.03)
    assert psnr(sharp, blurred) < 26  # there is something to restore


def test_the_small_picture_is_the_sharp_one_reduced() -> None:
    sharp = pixels(EXAMPLES / "sharp.png").astype(np.float32)
    planes = [
        np.asarray(Image.fromarray(plane).resize((80, 56), Image.Resampling.BICUBIC))
        for plane in np.ascontiguousarray(sharp.transpose(2, 0, 1))
    ]
    difference = pixels(EXAMPLES / "small.png") - np.clip(np.stack(planes, -1), 0, 255)
    assert float(np.abs(difference[2:-2, 2:-2]).max()) < 0.51  # rounding


def test_the_pictures_are_small_files() -> None:
    assert sum((EXAMPLES / name).stat().st_size for name in SIZES) < 1_000_000
