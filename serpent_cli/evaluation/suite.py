"""The suites: what is done to each photograph, and how the restored one is scored.

`deblur`: blur applied to sRGB values with a reflected border, iid noise of 1/255 seeded by the file
name, JPEG where the case says so, rounded to 8 bits; PSNR of RGB over the whole frame. `upscale`:
antialiased bicubic reduction of the frame cut to a multiple of the scale; PSNR of Y against bicubic
enlargement, over the whole frame and with `scale` border pixels cut.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from serpent_cli.degrade import blur, resize
from serpent_cli.degrade.compress import jpeg
from serpent_cli.degrade.noise import add_gaussian_noise, generator_for
from serpent_cli.errors import NoInputError, PictureError, UsageError
from serpent_cli.evaluation.metrics import psnr, rgb_to_y, ssim
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.imaging.read import read_picture

if TYPE_CHECKING:
    from serpent_cli.restore.restorer import Restorer

NOISE = 1 / 255
SUITES = ("deblur", "upscale")
OnFile = Callable[[int, int], None]
Blur = Callable[[Tensor], Tensor]

DEBLUR_CASES: dict[str, Blur] = {
    "gaussian 1.0": lambda x: blur.gaussian_blur(x, 1.0),
    "gaussian 1.6": lambda x: blur.gaussian_blur(x, 1.6),
    "gaussian 2.4": lambda x: blur.gaussian_blur(x, 2.4),
    "disk 2": lambda x: blur.disk_blur(x, 2.0),
    "motion 9": lambda x: blur.motion_blur(x, 9.0, math.pi / 6),
    "jpeg 80 over gaussian 1.2": lambda x: blur.gaussian_blur(x, 1.2),
}
CLEAN = "clean"
JPEG_QUALITY = 80.0
LEAST_SIDE = 32  # of a photograph: a wide Gaussian is reflected, SSIM's window fits
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"})


@dataclass(frozen=True)
class Score:
    """One photograph in one case; PSNR in dB, of RGB or (when enlarging) of Y.

    Attributes:
        case: Name of the case.
        file: Name of the photograph.
        before: PSNR of the input, or of the bicubic enlargement; infinite for `clean`.
        after: PSNR of the restored picture.
        before_cropped: As `before`, with `scale` border pixels cut.
        after_cropped: As `after`, likewise.
        ssim_before: SSIM of the input, or of the bicubic enlargement.
        ssim_after: SSIM of the restored picture.
        seconds: Time that restoring took.
    """

    case: str
    file: str
    before: float
    after: float
    before_cropped: float
    after_cropped: float
    ssim_before: float
    ssim_after: float
    seconds: float


def run_suite(
    restorer: "Restorer", suite: str, folder: Path, on_file: OnFile | None = None
) -> list[Score]:
    """Score a restorer on every photograph of a folder, in the order of their names.

    Args:
        restorer: What a user would run.
        suite: `deblur` or `upscale`.
        folder: Sharp photographs, 8 bits deep.
        on_file: Called with (done, total).

    Raises:
        UsageError: There is no such suite, or it is not the model's task.
        NoInputError: The folder holds no photograph.
        PictureError: A photograph cannot be read, is not 8 bits deep or too small to be blurred.
    """
    if suite not in SUITES:
        raise UsageError(f"there is no suite {suite!r}", hint=f"the suites are {', '.join(SUITES)}")
    if suite != restorer.card.task:
        raise UsageError(
            f"the suite {suite!r} does not fit the model {restorer.card.name}",
            hint=f"its suite is {restorer.card.task}",
        )
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise NoInputError(
            f"there is no photograph in {folder}", hint="--photos takes a folder of sharp pictures"
        )
    score = _deblur if suite == "deblur" else _upscale
    scores: list[Score] = []
    for done, path in enumerate(paths, 1):
        scores += score(restorer, path.name, _photograph(path))
        if on_file is not None:
            on_file(done, len(paths))
    return scores


def degraded_inputs(name: str, clean: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Every case of the deblur suite for one photograph (1, 3, H, W) in [0, 1].

    Args:
        name: File name, which seeds the noise.
        clean: The sharp photograph.

    Returns:
        Names of the cases, and inputs (1, 3, H, W) rounded to 8 bits.
    """
    for case, apply in DEBLUR_CASES.items():
        noisy = add_gaussian_noise(apply(clean), NOISE, generator_for(name))
        if case.startswith("jpeg"):
            noisy = jpeg(noisy, torch.tensor([JPEG_QUALITY]), torch.tensor([True]))
        yield case, noisy.clamp(0, 1).mul(255).round().div(255)
    yield CLEAN, clean


def _deblur(restorer: "Restorer", name: str, sharp: Samples) -> Iterator[Score]:
    truth = sharp / 255
    for case, degraded in degraded_inputs(name, _tensor(sharp)):
        given = _pixels(degraded)
        ours, seconds = _restored(restorer, given)
        before, after = psnr(given / 255, truth), psnr(ours, truth)
        similar = ssim(given / 255, truth), ssim(ours, truth)
        yield Score(case, name, before, after, before, after, *similar, seconds)


def _upscale(restorer: "Restorer", name: str, sharp: Samples) -> Iterator[Score]:
    s = restorer.scale
    height, width = (side // s * s for side in sharp.shape[:2])
    clean = _tensor(sharp[:height, :width])
    small = _pixels(resize.bicubic_reduce(clean, s))
    bicubic = _pixels(resize.bicubic_enlarge(_tensor(small), s)) / 255
    ours, seconds = _restored(restorer, small)
    truth, before, after = (rgb_to_y(x) for x in (sharp[:height, :width] / 255, bicubic, ours))
    inner = slice(s, -s), slice(s, -s)
    yield Score(
        f"bicubic x{s}", name, psnr(before, truth), psnr(after, truth),
        psnr(before[inner], truth[inner]), psnr(after[inner], truth[inner]),
        ssim(before, truth), ssim(after, truth), seconds,
    )  # fmt: skip


def _photograph(path: Path) -> Samples:
    picture = read_picture(path)
    if picture.pixels.dtype != np.uint8:
        raise PictureError(f"{path} is not an 8-bit picture", hint="convert it to 8 bits")
    if min(picture.height, picture.width) < LEAST_SIDE:
        raise PictureError(f"{path} is smaller than {LEAST_SIDE} x {LEAST_SIDE} pixels")
    return picture.pixels


def _tensor(pixels: Samples) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def _pixels(x: Tensor) -> NDArray[np.uint8]:
    return x.clamp(0, 1).mul(255).round().byte()[0].permute(1, 2, 0).contiguous().numpy()


def _restored(restorer: "Restorer", pixels: Samples) -> tuple[NDArray[np.float64], float]:
    """What a user gets, in [0, 1], and the seconds that it takes."""
    begun = time.perf_counter()
    restored = restorer.restore(Picture(pixels)).pixels
    return restored / 255, time.perf_counter() - begun
