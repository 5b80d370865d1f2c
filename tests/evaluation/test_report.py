import json
import math

import pytest

from serpent_cli.evaluation.report import BARS, CLEAN_BAR, markdown, records, rows, summarise
from serpent_cli.evaluation.suite import CLEAN, DEBLUR_CASES, Score


def score(case: str, file: str, before: float, after: float) -> Score:
    return Score(case, file, before, after, before - 0.5, after - 0.25, 0.8, 0.9, 2.0)


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


def test_every_case_of_the_suite_has_a_bar() -> None:
    assert set(BARS) == {*DEBLUR_CASES, "bicubic x8"}
    (mean,) = summarise([score("bicubic x2", "a", 30.0, 30.1)])
    assert (mean.bar, mean.met) == (None, None)


def test_tables_and_records_hold_the_same_numbers() -> None:
    means = summarise([score("disk 2", "a", 24.0, 24.5), score(CLEAN, "a", math.inf, 40.0)])
    head, disk, clean = rows(means)
    assert len(head) == len(disk) == len(clean)
    assert dict(zip(head, disk, strict=True)) == {
        "case": "disk 2", "files": "1", "before dB": "24.00", "after dB": "24.50",
        "gain dB": "0.50", "border cut": "0.75", "worst dB": "24.50", "SSIM before": "0.8000",
        "SSIM after": "0.9000", "seconds": "2.00", "bar": "1.00", "met": "NO",
    }  # fmt: skip
    assert dict(zip(head, clean, strict=True))["gain dB"] == ""
    lines = markdown(means).splitlines()
    assert lines[0].startswith("| case | files |") and lines[2].startswith("| disk 2 | 1 | 24.00 ")
    assert {line.count("|") for line in lines} == {len(head) + 1}
    first, second = json.loads(json.dumps(records(means, "deblur", "val"), allow_nan=False))
    assert (first["case"], first["suite"], first["photos"], first["gain_db"]) == (
        "disk 2", "deblur", "val", 0.5,
    )  # fmt: skip
    assert second["gain_db"] is None and second["worst_db"] == 40.0
