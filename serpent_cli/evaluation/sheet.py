"""Pictures of what a restorer does, beside the truth and, if asked, beside another restorer.

The contact sheet has one row for each of the photographs with the largest, the median and the
smallest gain and those half-way between; each crop is the part in which the restored picture
differs most from the input. A whole sheet shows one photograph at full size, a row for each case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch.nn import functional

from serpent_cli.evaluation import oracles
from serpent_cli.evaluation.metrics import Array, psnr, rgb_to_y
from serpent_cli.evaluation.suite import Score, restored
from serpent_cli.evaluation.summary import Mean
from serpent_cli.evaluation.trial import Suite, Trial

if TYPE_CHECKING:
    from serpent_cli.restoration.restorer import Restorer

ROWS = 5
CROP, ZOOM, GAP, STRIP = 88, 3, 8, 18  # pixels: side of a crop, its enlargement, space, text
PAPER, INK = (255, 255, 255), (0, 0, 0)

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Panel:
    """One crop of a row: its label, and the whole picture (H, W, 3) in [0, 1]."""

    label: str
    picture: Array


Restorers = Mapping[str, "Restorer"]
"""By the label of their panels, in the order of the panels; the last is the one that is scored."""


def contact_sheet(
    restorers: Restorers, suite: Suite, scores: Sequence[Score], means: Sequence[Mean]
) -> Pixels:
    """Restore a few photographs once more, and draw what came of them; (H, W, 3).

    Args:
        restorers: The one that was scored, and before it those shown beside it.
        suite: The suite that was run.
        scores: What came of it.
        means: The same summed up; the oracles' best parameters are taken from there.
    """
    tuned = {mean.case: mean for mean in means}
    drawn: list[Pixels] = []
    for score in choose(scores):
        trial = _find(suite, score)
        results = _results(restorers, trial)
        title = f"{score.file}, {score.case}: gain {score.after - score.before:+.2f} dB"
        panels = _panels(trial, results, tuned[score.case])
        *_, ours = results.values()
        window = busiest(np.abs(ours - trial.before), trial.scale)
        drawn.append(_draw_row(title, panels, window, ZOOM))
    return _stacked(drawn)


def whole_sheet(
    restorers: Restorers, suite: Suite, files: tuple[Path, ...], means: Sequence[Mean]
) -> Pixels:
    """Draw one photograph at full size in every case; arguments and result as of `contact_sheet`.

    Args:
        restorers: See there.
        suite: See there.
        files: One of the suite's: the photograph.
        means: See there.
    """
    tuned = {mean.case: mean for mean in means}
    whole = slice(None), slice(None)
    drawn: list[Pixels] = []
    for trial in suite.trials(files):
        panels = _panels(trial, _results(restorers, trial), tuned[trial.case])
        drawn.append(_draw_row(f"{trial.file}, {trial.case}", panels, whole, 1))
    return _stacked(drawn)


def _results(restorers: Restorers, trial: Trial) -> dict[str, Array]:
    return {label: restored(restorer, trial) for label, restorer in restorers.items()}


def _stacked(rows: Sequence[Pixels]) -> Pixels:
    width = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(row, ((0, GAP), (0, width - row.shape[1]), (0, 0)), constant_values=255)
         for row in rows]
    )  # fmt: skip


def choose(scores: Sequence[Score]) -> list[Score]:
    """Scores at even distances from the largest gain to the smallest, of different photographs."""
    seen = [s for s in scores if not s.part and np.isfinite(s.after - s.before)]
    ranked = sorted(seen, key=lambda s: (s.before - s.after, s.file, s.case)) or list(scores[:1])
    chosen: list[Score] = []
    count = min(ROWS, len({score.file for score in ranked}))
    for place in np.linspace(0, len(ranked) - 1, count).round().astype(int):
        taken = {score.file for score in chosen}
        near = sorted(range(len(ranked)), key=lambda index: abs(index - place))
        chosen.append(next(ranked[index] for index in near if ranked[index].file not in taken))
    return chosen


def _find(suite: Suite, score: Score) -> Trial:
    files = next(files for files in suite.files if files[0].name == score.file)
    return next(trial for trial in suite.trials(files) if trial.case == score.case)


def _panels(trial: Trial, results: Mapping[str, Array], mean: Mean) -> list[Panel]:
    def labelled(name: str, picture: Array) -> Panel:
        pair = (picture, trial.truth)
        a, b = (rgb_to_y(x) for x in pair) if trial.scale > 1 else pair
        return Panel(f"{name} {psnr(a, b):.2f} dB", picture)

    if trial.scale > 1:
        s = trial.scale
        given = np.repeat(np.repeat(trial.given / 255, s, axis=0), s, axis=1)
        first = [Panel(f"input, {s} x smaller", given), labelled("bicubic", trial.before)]
    else:
        first = [labelled("input", trial.before)]
    if trial.kernel is not None and mean.wiener is not None:
        first.append(labelled(*_best_oracle(trial.before, trial.kernel, mean)))
    shown = [labelled(label, picture) for label, picture in results.items()]
    return [*first, *shown, Panel("truth", trial.truth)]


def _best_oracle(given: Array, kernel: oracles.Planes, mean: Mean) -> tuple[str, Array]:
    balance, iterations = mean.wiener_balance, mean.richardson_lucy_iterations
    assert balance is not None and iterations is not None
    if (mean.wiener or 0) >= (mean.richardson_lucy or 0):
        return f"Wiener, balance {balance:.2g}:", oracles.wiener(given, kernel, balance)
    return f"Richardson-Lucy, {iterations} x:", oracles.richardson_lucy(given, kernel, iterations)


def busiest(difference: Array, multiple: int = 1) -> tuple[slice, slice]:
    """The crop of at most 88 x 88 pixels with the largest sum; its corner on whole multiples."""
    sums = torch.from_numpy(difference.sum(axis=2))[None, None]
    side = [min(CROP, length) for length in difference.shape[:2]]
    pooled = functional.avg_pool2d(sums, side, stride=multiple)[0, 0]
    top, left = divmod(int(pooled.argmax()), pooled.shape[1])
    top, left = top * multiple, left * multiple
    return slice(top, top + side[0]), slice(left, left + side[1])


def _draw_row(
    title: str, panels: Sequence[Panel], window: tuple[slice, slice], zoom: int
) -> Pixels:
    crops = [_enlarged(panel.picture[window], zoom) for panel in panels]
    step = max(CROP * ZOOM, crops[0].width) + GAP  # a label has room over a narrow picture too
    width = len(crops) * step + GAP
    row = Image.new("RGB", (width, crops[0].height + 2 * STRIP + GAP), PAPER)
    draw, font = ImageDraw.Draw(row), ImageFont.load_default(12)
    draw.text((GAP, GAP // 2), title, INK, font)
    for index, (panel, crop) in enumerate(zip(panels, crops, strict=True)):
        left = GAP + index * step
        draw.text((left, STRIP + GAP // 2), panel.label, INK, font)
        row.paste(crop, (left, 2 * STRIP + GAP // 2))
    return np.asarray(row)


def _enlarged(crop: Array, zoom: int) -> Image.Image:
    picture = Image.fromarray((crop.clip(0, 1) * 255).round().astype(np.uint8))
    size = picture.width * zoom, picture.height * zoom
    return picture.resize(size, Image.Resampling.NEAREST)
