"""One photograph in one case: what the restorer is given, and what its answer is measured by."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from serpent_cli.degrade import resize
from serpent_cli.errors import PictureError, UsageError
from serpent_cli.evaluation.cases import BICUBIC, CASES, REDUCTIONS, Case, degraded_inputs
from serpent_cli.evaluation.metrics import WINDOW
from serpent_cli.evaluation.parts import SHARP_SIDE, Mask, inner
from serpent_cli.evaluation.photographs import pairs, photographs, read_photograph
from serpent_cli.evaluation.suite_names import FLAT, check_suite
from serpent_cli.imaging.picture import Samples
from serpent_cli.zoo.card import Card

OUT_OF_RANGE = "out of range"
BORDER_CUT = "border cut"

COLOURS = {
    "green": (0, 255, 0), "red": (255, 0, 0), "blue": (0, 0, 255),
    "white": (255, 255, 255), "black": (0, 0, 0),
}  # fmt: skip
FLAT_SIZE = 200, 300  # rows, columns of the input
# Of a photograph that is sharp in the middle alone: SSIM's window fits beside that.
LEAST_SIDE_IN_PARTS = round(2 * (WINDOW + 1) / (1 - SHARP_SIDE)) + 1


def _whole_frame() -> dict[str, Mask | None]:
    return {"": None}


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
        parts: Where the result is measured, by what a table adds to the case's name: masks (H, W),
            or None for the whole frame. What the case is about comes first and is called "".
        reduced: Whether `given` is the truth's bicubic reduction, untouched: then the result's
            should be the same.
    """

    case: str
    file: str
    given: NDArray[np.uint8]
    before: NDArray[np.float64]
    truth: NDArray[np.float64]
    scale: int = 1
    kernel: NDArray[np.float32] | None = None
    note: str = ""
    parts: Mapping[str, Mask | None] = field(default_factory=_whole_frame)
    reduced: bool = False


@dataclass(frozen=True)
class Suite:
    """A suite opened for one model: trials of each of its photographs.

    Attributes:
        name: One of `suite_names.SUITES`.
        card: Of the model that is scored.
        files: For each photograph its path; for `pairs` also the path of its input; for `flat`
            the name of a colour.
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
        elif self.name == FLAT:
            yield _flat(files[0].name, self.card.scale)
        elif self.name in REDUCTIONS:
            yield from self._reduced(files[0])
        else:
            yield from self._degraded(files[0])

    def _degraded(self, path: Path) -> Iterator[Trial]:
        cases = CASES[self.name]
        in_parts = any(case.part for case in cases)
        sharp = read_photograph(path, *([LEAST_SIDE_IN_PARTS] if in_parts else []))
        for case, x in degraded_inputs(path.name, _tensor(sharp), cases):
            given = _pixels(x)
            kernel = _told(case, path.name)
            yield Trial(
                case.name, path.name, given, given / 255, sharp / 255,
                kernel=None if kernel is None else kernel[0].numpy(), note=self._note(case),
                parts=case.parts(*sharp.shape[:2]),
            )  # fmt: skip

    def _reduced(self, path: Path) -> Iterator[Trial]:
        sharp, scale = read_photograph(path), self.card.scale
        height, width = (side // scale * scale for side in sharp.shape[:2])
        sharp = sharp[:height, :width]
        cases = REDUCTIONS[self.name]
        for case, x in degraded_inputs(path.name, _tensor(sharp), cases, scale):
            name = f"{case.name} x{scale}"
            trial = _enlarged(name, path.name, _pixels(x), sharp, scale, self._note(case))
            yield replace(trial, reduced=case == BICUBIC)

    def _note(self, case: Case) -> str:
        return OUT_OF_RANGE if case.out_of_range(self.card) else ""


def _told(case: Case, file: str) -> Tensor | None:
    """The kernel that an oracle is told: of a Gaussian that blurred sRGB values all over."""
    even = case.sigma is not None and case.quality is None and not case.linear
    return case.kernel(file) if even and case.part is None else None


def open_suite(name: str, card: Card, folder: Path | None) -> Suite:
    """Find the photographs of a suite.

    Args:
        name: One of `suite_names.SUITES`.
        card: Of the model that will be scored.
        folder: Sharp photographs, 8 bits deep; for `pairs` the folder of `ref/` and `in/`; for
            `flat`, which makes its pictures itself, None.

    Raises:
        UsageError: There is no such suite, it is not the model's task, or a folder is missing or
            has no meaning.
        NoInputError: The folder holds no photograph, or one of a pair is missing.
    """
    check_suite(name)
    task = "deblur" if name in CASES else "upscale" if name in REDUCTIONS else card.task
    if task != card.task:
        raise UsageError(
            f"the suite {name!r} does not fit the model {card.name}",
            hint=f"it is for models that {task}; this one's task is {card.task}",
        )
    if name == FLAT:
        if folder is not None:
            raise UsageError(
                f"the suite {FLAT!r} needs no photographs", hint="leave out --photos: it makes them"
            )
        return Suite(name, card, tuple((Path(colour),) for colour in COLOURS))
    if folder is None:
        raise UsageError(
            f"the suite {name!r} needs photographs", hint="--photos takes a folder of sharp ones"
        )
    if name == "pairs":
        return Suite(name, card, tuple(pairs(folder)))
    return Suite(name, card, tuple((path,) for path in photographs(folder)))


def _flat(colour: str, scale: int) -> Trial:
    given = np.empty((*FLAT_SIZE, 3), np.uint8)
    given[:] = COLOURS[colour]
    truth = given.repeat(scale, 0).repeat(scale, 1) / 255
    return Trial(f"{FLAT} {colour}", colour, given, truth, truth, scale)


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
    # Pairs of another folder have come to another harm: their case has another name.
    folder = truth.parent.parent.resolve().name
    return _enlarged(f"pairs {folder}", truth.name, small, sharp, scale)


def _enlarged(
    case: str, file: str, small: Samples, sharp: Samples, scale: int, note: str = ""
) -> Trial:
    if scale == 1:
        return Trial(case, file, small, small / 255, sharp / 255, note=note)
    before = _pixels(resize.bicubic_enlarge(_tensor(small), scale))
    height, width = sharp.shape[:2]
    parts = {"": None, BORDER_CUT: inner(height, width, scale)}
    return Trial(case, file, small, before / 255, sharp / 255, scale, note=note, parts=parts)


def _tensor(pixels: Samples) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def _pixels(x: Tensor) -> NDArray[np.uint8]:
    return x.clamp(0, 1).mul(255).round().byte()[0].permute(1, 2, 0).contiguous().numpy()
