"""The suites: what is done to each photograph, and how the restored one is scored.

`deblur`: blur applied to sRGB values with a reflected border, iid noise of 1/255 seeded by the file
name, clipped, rounded to 8 bits; RGB PSNR over the whole frame. `upscale`: antialiased bicubic
reduction, PSNR of Y against bicubic enlargement, whole frame and with `scale` pixels cut.
"""

import math
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
from serpent_cli.errors import NoInputError, UsageError
from serpent_cli.evaluation.metrics import psnr, rgb_to_y
from serpent_cli.imaging.picture import Picture
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


@dataclass(frozen=True)
class Score:
    """One photograph in one case; PSNR in dB.

    Attributes:
        case: Name of the case.
        file: Name of the photograph.
        before: PSNR of the input, or of the bicubic enlargement; infinite for `clean`.
        after: PSNR of the restored picture.
        before_cropped: As `before`, with `scale` border pixels cut.
        after_cropped: As `after`, likewise.
    """

    case: str
    file: str
    before: float
    after: float
    before_cropped: float
    after_cropped: float


def run_suite(
    restorer: "Restorer", suite: str, folder: Path, on_file: OnFile | None = None
) -> list[Score]:
    """Score a restorer on every PNG photograph of a folder.

    Args:
        restorer: What a user would run.
        suite: `deblur` or `upscale`.
        folder: Sharp photographs.
        on_file: Called with (done, total).

    Raises:
        UsageError: There is no such suite, or it is not the model's task.
        NoInputError: The folder holds no PNG.
    """
    if suite not in SUITES or suite != restorer.card.task:
        raise UsageError(
            f"the suite {suite!r} does not fit the model {restorer.card.name}",
            hint=f"its suite is {restorer.card.task}",
        )
    paths = sorted(folder.glob("*.png"))
    if not paths:
        raise NoInputError(f"there is no PNG photograph in {folder}")
    scores: list[Score] = []
    for done, path in enumerate(paths, 1):
        picture = read_picture(path)
        scores += (
            _deblur(restorer, path.name, picture)
            if suite == "deblur"
            else (_upscale(restorer, path.name, picture))
        )
        if on_file is not None:
            on_file(done, len(paths))
    return scores


def degraded_inputs(name: str, clean: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Every case of the deblur suite for one photograph (1, 3, H, W) in [0, 1]."""
    for case, apply in DEBLUR_CASES.items():
        noisy = add_gaussian_noise(apply(clean), NOISE, generator_for(name))
        if case.startswith("jpeg"):
            noisy = jpeg(noisy, torch.tensor([80.0]), torch.tensor([True]))
        yield case, noisy.clamp(0, 1).mul(255).round().div(255)
    yield CLEAN, clean


def _deblur(restorer: "Restorer", name: str, picture: Picture) -> Iterator[Score]:
    sharp = picture.pixels / 255
    for case, degraded in degraded_inputs(name, _tensor(picture)):
        given = _pixels(degraded)
        after = psnr(_restored(restorer, given), sharp)
        before = psnr(given / 255, sharp)
        yield Score(case, name, before, after, before, after)


def _upscale(restorer: "Restorer", name: str, picture: Picture) -> Iterator[Score]:
    s = restorer.scale
    height, width = picture.height // s * s, picture.width // s * s
    clean = _tensor(picture)[..., :height, :width]
    small = resize.bicubic_reduce(clean, s).clamp(0, 1).mul(255).round()
    bicubic = _pixels(resize.bicubic_enlarge(small / 255, s)) / 255
    sharp, ours = _pixels(clean) / 255, _restored(restorer, _pixels(small / 255))
    planes = [rgb_to_y(x) for x in (sharp, bicubic, ours)]
    cut = [y[s:-s, s:-s] for y in planes]
    yield Score(
        f"bicubic x{s}", name, psnr(planes[1], planes[0]), psnr(planes[2], planes[0]),
        psnr(cut[1], cut[0]), psnr(cut[2], cut[0]),
    )  # fmt: skip


def _tensor(picture: Picture) -> Tensor:
    return torch.from_numpy(picture.pixels.copy()).permute(2, 0, 1)[None].float() / 255


def _pixels(x: Tensor) -> NDArray[np.uint8]:
    return x.clamp(0, 1).mul(255).round().byte()[0].permute(1, 2, 0).contiguous().numpy()


def _restored(restorer: "Restorer", pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    return restorer.restore(Picture(pixels)).pixels / 255
