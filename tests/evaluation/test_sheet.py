from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serpent_cli.evaluation.cases import CLEAN
from serpent_cli.evaluation.sheet import (
    CROP,
    GAP,
    STRIP,
    ZOOM,
    busiest,
    choose,
    contact_sheet,
    whole_sheet,
)
from serpent_cli.evaluation.suite import CUT, Score, restored
from serpent_cli.evaluation.summary import summarise
from serpent_cli.evaluation.trial import open_suite
from serpent_cli.restoration.restorer import Restorer

RunSuite = Callable[..., list[Score]]


def score(case: str, file: str, gain: float) -> Score:
    return Score(case, file, 25.0, 25.0 + gain, 25.0, 25.0 + gain, 0.8, 0.9, 1.0)


def test_rows_run_from_the_largest_gain_to_the_smallest() -> None:
    scores = [score("a", str(index), index / 10) for index in range(21)]
    scores += [
        replace(score("a" + CUT, "20", 9.0), part="border cut"),
        score(CLEAN, "0", float("inf")),
    ]
    assert [round(s.after - 25, 1) for s in choose(scores)] == [2.0, 1.5, 1.0, 0.5, 0.0]


def test_rows_are_of_different_photographs() -> None:
    scores = [score(case, file, gain) for gain, case, file in (
        (5.0, "x", "a"), (4.0, "y", "a"), (3.0, "x", "b"), (2.0, "y", "b"), (1.0, "y", "c"),
        (0.5, "x", "c"),
    )]  # fmt: skip
    assert [s.file for s in choose(scores)] == ["a", "b", "c"]
    assert [s.file for s in choose(scores[:1])] == ["a"]


def test_nothing_but_clean_pictures_still_has_a_row() -> None:
    clean = [score(CLEAN, file, float("inf")) for file in "ab"]
    assert [s.file for s in choose(clean)] == ["a"]


@pytest.mark.parametrize("multiple", [1, 4])
def test_the_crop_lies_where_most_has_changed(multiple: int) -> None:
    difference = np.zeros((160, 200, 3))
    difference[100:120, 130:150] = 1
    rows, columns = busiest(difference, multiple)
    assert rows.start <= 100 and rows.stop >= 120
    assert columns.start <= 130 and columns.stop >= 150
    assert rows.stop - rows.start == columns.stop - columns.start == CROP
    assert rows.start % multiple == columns.start % multiple == 0
    assert busiest(difference[:40, :50]) == (slice(0, 40), slice(0, 50))


def crop(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    """A crop as it was pasted, at its own size."""
    top = row * (CROP * ZOOM + 2 * STRIP + 2 * GAP) + 2 * STRIP + GAP // 2
    left = GAP + column * (CROP * ZOOM + GAP)
    return sheet[top : top + CROP * ZOOM : ZOOM, left : left + CROP * ZOOM : ZOOM]


def sheet_of(
    scored: RunSuite, restorer: Restorer, suite: str, folder: Path, **options: bool
) -> np.ndarray:
    scores = scored(restorer, suite, folder, **options)
    opened = open_suite(suite, restorer.card, folder)
    return contact_sheet({"ours": restorer}, opened, scores, summarise(scores))


def test_the_columns_are_input_ours_and_truth(
    scored: RunSuite, sharper: Restorer, folder: Path
) -> None:
    sheet = sheet_of(scored, sharper, "gaussian-61", folder)
    assert sheet.shape[1] == GAP + 3 * (CROP * ZOOM + GAP)
    suite = open_suite("gaussian-61", sharper.card, folder)
    found = 0
    for files in suite.files:
        (trial,) = suite.trials(files)
        ours = restored(sharper, trial)
        window = busiest(np.abs(ours - trial.before))
        wanted = [(x[window] * 255).round() for x in (trial.before, ours, trial.truth)]
        found += any(
            all(np.array_equal(crop(sheet, row, i), x) for i, x in enumerate(wanted))
            for row in range(2)
        )
    assert found == 2


def test_the_best_baseline_has_a_column(
    scored: RunSuite,
    sharper: Restorer,
    enlarger: Restorer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("serpent_cli.evaluation.oracles.ITERATIONS", (1,))  # in no time
    four = GAP + 4 * (CROP * ZOOM + GAP)
    assert sheet_of(scored, sharper, "gaussian-61", folder, oracles=True).shape[1] == four
    sheet = sheet_of(scored, enlarger, "upscale", folder)
    assert sheet.shape[1] == four
    small = crop(sheet, 0, 0)
    assert np.array_equal(small[::4, ::4].repeat(4, 0).repeat(4, 1), small)
    assert not np.array_equal(crop(sheet, 0, 1), small)


def test_another_restorer_has_a_column_before_ours(
    scored: RunSuite, sharper: Restorer, untouched: Restorer, folder: Path
) -> None:
    scores = scored(sharper, "gaussian-61", folder)
    suite = open_suite("gaussian-61", sharper.card, folder)
    both = {"other": untouched, "ours": sharper}
    sheet = contact_sheet(both, suite, scores, summarise(scores))
    alone = contact_sheet({"ours": sharper}, suite, scores, summarise(scores))
    assert sheet.shape[1] == GAP + 4 * (CROP * ZOOM + GAP)
    for row in range(2):
        assert np.array_equal(crop(sheet, row, 0), crop(sheet, row, 1)), "it changes nothing"
        for ours, same in ((2, 1), (3, 2)):
            assert np.array_equal(crop(sheet, row, ours), crop(alone, row, same))


def test_a_photograph_is_shown_whole_in_every_case(
    scored: RunSuite, enlarger: Restorer, folder: Path
) -> None:
    suite = open_suite("upscale-real", enlarger.card, folder)
    scores = scored(enlarger, "upscale-real", folder)
    sheet = whole_sheet({"ours": enlarger}, suite, suite.files[1], summarise(scores))
    trials = list(suite.trials(suite.files[1]))
    height, width, _ = trials[0].truth.shape
    row_height, step = height + 2 * STRIP + 2 * GAP, CROP * ZOOM + GAP
    assert sheet.shape == (len(trials) * row_height, GAP + 4 * step, 3)
    for index, trial in enumerate(trials):
        top = index * row_height + 2 * STRIP + GAP // 2
        shown = [sheet[top : top + height, x : x + width] for x in range(GAP, 4 * step, step)]
        wanted = trial.before, restored(enlarger, trial), trial.truth
        for drawn, picture in zip(shown[1:], wanted, strict=True):
            assert np.array_equal(drawn, (picture * 255).round())
