"""One photograph in one case: what the restorer is given, and what its answer is measured by."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from serpent_cli.degrade import resize
from serpent_cli.errors import PictureError, UsageError
from serpent_cli.evaluation.cases import CASES, degraded_inputs
from serpent_cli.evaluation.metrics import WINDOW
from serpent_cli.evaluation.photographs import pairs, photographs, read_photograph
from serpent_cli.imaging.picture import Samples
from serpent_cli.zoo.card import Card

SUITES = (*CASES, "upscale", "pairs")
OUT_OF_RANGE = "out of range"


@dataclass(frozen=True)
class Trial:
    """What scoring one restoration needs; values of `before` and `truth` lie in [0, 1].

    Attributes:
        case: Name of the case.
        file: Name of the photograph.
        given: (h, w, 3), uint8: what the restorer gets.
        before: (H, W, 3): the same, enlarged bicubically where the restorer enlarges.
        truth: (H, W, 3): the sharp photograph.
        scale: Output pixels per input pixel and axis.
        kernel: (k, k), the Gaussian that blurred it, for the oracles; None: they have no say.
        note: A reservation for the table.
    """

    case: str
    file: str
    given: NDArray[np.uint8]
    before: NDArray[np.float64]
    truth: NDArray[np.float64]
    scale: int = 1
    kernel: NDArray[np.float32] | None = None
    note: str = ""


@dataclass(frozen=True)
class Suite:
    """A suite opened for one model: trials of each of its photographs.

    Attributes:
        name: One of `SUITES`.
        card: Of the model that is scored.
        files: For each photograph its path; for `pairs` also the path of its input.
    """

    name: str
    card: Card
    files: tuple[tuple[Path, ...], ...]

    def trials(self, files: tuple[Path, ...]) -> Iterator[Trial]:
        """Every case of one photograph.

        Raises:
            PictureError: It cannot be read, is not 8 bits deep or too small, or does not fit its
                partner.
        """
        if self.name == "pairs":
            yield _pair(files[0], files[1], self.card.scale)
        elif self.name == "upscale":
            yield _reduced(files[0], self.card.scale)
        else:
            yield from self._degraded(files[0])

    def _degraded(self, path: Path) -> Iterator[Trial]:
        sharp = read_photograph(path)
        for case, x in degraded_inputs(path.name, _tensor(sharp), CASES[self.name]):
            given = _pixels(x)
            kernel = case.kernel(path.name) if case.sigma and case.quality is None else None
            yield Trial(
                case.name, path.name, given, given / 255, sharp / 255,
                kernel=None if kernel is None else kernel[0].numpy(),
                note=OUT_OF_RANGE if case.out_of_range(self.card) else "",
            )  # fmt: skip


def open_suite(name: str, card: Card, folder: Path) -> Suite:
    """Find the photographs of a suite.

    Args:
        name: One of `SUITES`.
        card: Of the model that will be scored.
        folder: Sharp photographs, 8 bits deep; for `pairs` the folder of `ref/` and `in/`.

    Raises:
        UsageError: There is no such suite, or it is not the model's task.
        NoInputError: The folder holds no photograph, or one of a pair is missing.
    """
    if name not in SUITES:
        raise UsageError(f"there is no suite {name!r}", hint=f"the suites are {', '.join(SUITES)}")
    task = "deblur" if name in CASES else "upscale"
    if name != "pairs" and task != card.task:
        raise UsageError(
            f"the suite {name!r} does not fit the model {card.name}",
            hint=f"it is for models that {task}; this one's task is {card.task}",
        )
    if name == "pairs":
        return Suite(name, card, tuple(pairs(folder)))
    return Suite(name, card, tuple((path,) for path in photographs(folder)))


def _reduced(path: Path, scale: int) -> Trial:
    sharp = read_photograph(path)
    height, width = (side // scale * scale for side in sharp.shape[:2])
    sharp = sharp[:height, :width]
    small = _pixels(resize.bicubic_reduce(_tensor(sharp), scale))
    return _enlarged(f"bicubic x{scale}", path.name, small, sharp, scale)


def _pair(truth: Path, given: Path, scale: int) -> Trial:
    # Without a border of `scale` pixels, SSIM's window must still fit.
    sharp = read_photograph(truth, WINDOW + 2 * scale)
    small = read_photograph(given, 1)
    wanted = tuple(side * scale for side in small.shape[:2])
    if sharp.shape[:2] != wanted:
        raise PictureError(
            f"{truth} is not {wanted[1]} x {wanted[0]} pixels, {scale} times {given}",
            hint=f"a pair fits a model of scale {scale}; cut the sharp picture to size",
        )
    return _enlarged("pairs", truth.name, small, sharp, scale)


def _enlarged(case: str, file: str, small: Samples, sharp: Samples, scale: int) -> Trial:
    before = small if scale == 1 else _pixels(resize.bicubic_enlarge(_tensor(small), scale))
    return Trial(case, file, small, before / 255, sharp / 255, scale)


def _tensor(pixels: Samples) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def _pixels(x: Tensor) -> NDArray[np.uint8]:
    return x.clamp(0, 1).mul(255).round().byte()[0].permute(1, 2, 0).contiguous().numpy()
