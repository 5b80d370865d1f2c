import json
import math

import pytest

from serpent_cli.evaluation.cases import CASES, CLEAN
from serpent_cli.evaluation.report import BARS, CLEAN_BAR, records, summarise
from serpent_cli.evaluation.suite import Score


def score(case: str, file: str, before: float, after: float, **more: object) -> Score:
    return Score(case, file, before, after, before - 0.5, after - 0.25, 0.8, 0.9, 2.0, **more)  # pyright: ignore


def test_means_are_of_the_files_decibels() -> None:
    first, second = summarise(
        [
            score("gaussian 1.6", "a", 25.0, 28.0),
            score("disk 2", "a", 24.0, 25.5),
            score("gaussian 1.6", "b", 27.0, 29.5),
        ]
    )
    assert (first.case, first.files, first.before, first.after) == ("gaussian 1.6", 2, 26.0, 28.75)
    assert (first.gain, first.gain_cropped, first.least_after) == (2.75, 3.0, 28.0)
    assert (first.bar, first.met) == (2.5, True)
    assert (first.ssim_before, first.ssim_after, first.seconds) == (0.8, 0.9, 2.0)
    assert (first.wiener, first.lpips_before, first.over_oracles, first.note) == (
        None, None, None, "",
    )  # fmt: skip
    assert (second.case, second.files, second.gain) == ("disk 2", 1, 1.5)


@pytest.mark.parametrize(("case", "bar"), BARS.items())
def test_a_bar_is_met_or_missed_by_a_hair(case: str, bar: float) -> None:
    (met,) = summarise([score(case, "a", 25.0, 25.001 + bar)])
    (missed,) = summarise([score(case, "a", 25.0, 24.999 + bar)])
    assert (met.met, missed.met) == (True, False)


def test_clean_pictures_are_measured_against_themselves() -> None:
    """The mean meets the bar; the worst photograph stands beside it; untouched is not infinite."""
    untouched, worn = score(CLEAN, "a", math.inf, math.inf), score(CLEAN, "b", math.inf, 35.0)
    (mean,) = summarise([untouched, worn])
    assert (mean.before, mean.gain, mean.gain_cropped) == (None, None, None)
    assert (mean.after, mean.least_after) == ((99 + 35) / 2, 35.0)
    assert (mean.bar, mean.met) == (CLEAN_BAR, True)
    (alone,) = summarise([worn])
    assert alone.met is False


def test_every_bar_has_a_case_and_the_deblur_suite_has_all_bars() -> None:
    names = {case.name for suite in CASES.values() for case in suite}
    assert set(BARS) - names == {"bicubic x8", "bicubic x8, border cut"}
    assert {case.name for case in CASES["deblur"]} - set(BARS) == {CLEAN}


def test_what_lies_beyond_all_training_must_not_become_worse() -> None:
    assert {BARS[case.name] for case in CASES["beyond"]} == {0.0}
    (mean,) = summarise([score("bicubic x2", "a", 30.0, 30.1)])
    assert (mean.bar, mean.met) == (None, None)


def test_one_parameter_is_best_for_all_photographs() -> None:
    """By the mean over the files, not for each file its own."""
    wiener = [{0.001: 30.0, 0.01: 29.0, 0.1: 20.0}, {0.001: 20.0, 0.01: 25.0, 0.1: 26.0}]
    richardson_lucy = [{3: 24.0, 10: 28.0}, {3: 24.0, 10: 21.0}]
    (mean,) = summarise(
        [
            score("gaussian 1.6", file, 23.0, 28.0, wiener=w, richardson_lucy=r)
            for file, w, r in zip("ab", wiener, richardson_lucy, strict=True)
        ]
    )
    assert (mean.wiener, mean.wiener_balance) == (27.0, 0.01)
    assert (mean.richardson_lucy, mean.richardson_lucy_iterations) == (24.5, 10)
    assert mean.over_oracles == 1.0
    (record,) = records([mean], "gaussian", "val")
    assert (record["wiener_db"], record["richardson_lucy_db"]) == (27.0, 24.5)


def test_a_card_keeps_what_is_known_and_no_more() -> None:
    means = summarise(
        [
            score("disk 2", "a", 24.0, 24.5),
            score(CLEAN, "a", math.inf, 40.0),
            score("disk 3", "a", 24.0, 24.5, lpips_before=0.3, lpips_after=0.2, note="far"),
        ]
    )
    written = json.loads(json.dumps(records(means, "deblur", "val"), allow_nan=False))
    first, second, third = written
    assert first == {
        "suite": "deblur", "photos": "val", "case": "disk 2", "files": 1, "before_db": 24.0,
        "after_db": 24.5, "gain_db": 0.5, "worst_db": 24.5, "ssim_before": 0.8, "ssim_after": 0.9,
    }  # fmt: skip
    assert second["gain_db"] is None and second["worst_db"] == 40.0
    assert set(third) - set(first) == {"lpips_before", "lpips_after", "note"}
    assert (third["lpips_before"], third["lpips_after"], third["note"]) == (0.3, 0.2, "far")
