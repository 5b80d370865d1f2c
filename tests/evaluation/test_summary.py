import json
import math

import pytest

from serpent_cli.evaluation.bars import BARS, FLOOR
from serpent_cli.evaluation.cases import CASES, CLEAN, REDUCTIONS
from serpent_cli.evaluation.cube_cases import DENOISE_CUBE, SNAPSHOT
from serpent_cli.evaluation.suite import Score
from serpent_cli.evaluation.summary import records, summarise


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
    assert (first.bar, first.met) == (3.2, False)
    assert (first.least_gain, first.worst_bar, first.share, first.levels) == (2.5, None, None, None)
    assert (first.ssim_before, first.ssim_after, first.seconds) == (0.8, 0.9, 2.0)
    assert (first.wiener, first.st_lpips_before, first.over_oracles, first.note) == (
        None, None, None, "",
    )  # fmt: skip
    assert (second.case, second.files, second.gain) == ("disk 2", 1, 1.5)


@pytest.mark.parametrize("case", [case for case, bar in BARS.items() if bar.gain is not None])
def test_a_bar_is_met_or_missed_by_a_hair(case: str) -> None:
    bar = BARS[case].gain
    assert bar is not None
    (met,) = summarise([score(case, "a", 25.0, 25.001 + bar)])
    (missed,) = summarise([score(case, "a", 25.0, 24.999 + bar)])
    assert (met.met, missed.met) == (True, False)


def test_no_pair_may_lose_even_if_the_mean_gains() -> None:
    def pair(gains: list[float]) -> object:
        (mean,) = summarise([score("pairs motion", str(g), 25.0, 25.0 + g) for g in gains])
        return mean.met

    assert pair([2.0, -0.04, 0.7]) is True
    assert pair([2.0, -0.06, 0.7]) is False
    assert pair([0.9, 0.9, 0.3]) is False


@pytest.mark.parametrize("part", ["half", "rim"])
def test_a_part_gains_nearly_as_much_as_if_all_were_blurred(part: str) -> None:
    """85 % of the gain in the same part, not of the gain in the whole frame."""
    even = [
        score("disk 3", "a", 24.0, 30.0),
        score(f"disk 3, same {part}", "a", 24.0, 28.0),
    ]
    for gain, met in ((3.41, True), (3.39, False)):
        mean = summarise([*even, score(f"{part} disk 3", "a", 24.0, 24.0 + gain)])[-1]
        assert (mean.bar, mean.met, mean.share) == (3.4, met, round(gain / 4, 3))
    (alone,) = summarise([score(f"{part} disk 3", "a", 24.0, 23.96)])
    assert (alone.bar, alone.met, alone.share) == (FLOOR, True, None)
    even[1] = score(f"disk 3, same {part}", "a", 24.0, 23.0)
    *_, mean = summarise([*even, score(f"{part} disk 3", "a", 24.0, 23.5)])
    assert (mean.bar, mean.met, mean.share) == (FLOOR, False, None), "a loss is no excuse"


def test_what_was_sharp_stays_so() -> None:
    for after, met in ((40.1, True), (39.9, False)):
        (mean,) = summarise([score("half disk 3, sharp part", "a", math.inf, after, levels=30.0)])
        assert (mean.gain, mean.bar, mean.met, mean.levels) == (None, 40.0, met, 30.0)


def test_flat_colours_stay_within_two_levels() -> None:
    for levels, met in ((2.0, True), (3.0, False)):
        (mean,) = summarise([score("flat green", "green", math.inf, 60.0, levels=levels)])
        assert (mean.gain, mean.bar, mean.met, mean.levels) == (None, 2.0, met, levels)


def test_large_shapes_stay_those_of_the_input() -> None:
    """The mean over the photographs counts."""
    name = "bicubic x4"
    for values, met in (((1.0, 1.9), True), ((1.0, 2.1), False)):
        scores = [score(name, str(v), 24.0, 25.0, low_frequency_rms=v) for v in values]
        (mean,) = summarise(scores)
        assert (mean.low_frequency_bar, mean.met) == (1.5, met)
        assert mean.low_frequency_rms == pytest.approx(sum(values) / 2)
        (record,) = records([mean], "upscale", "val")
        assert record["low_frequency_rms"] == mean.low_frequency_rms
    (unknown,) = summarise([score(name, "a", 24.0, 25.0)])
    assert unknown.low_frequency_rms is unknown.low_frequency_bar is None


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_other_reductions_gain_nearly_as_much_as_the_clean_one(scale: int) -> None:
    clean = score(f"bicubic x{scale}, border cut", "a", 24.0, 27.0)
    for gain, met in ((2.11, True), (2.09, False)):
        for case in ("box", "bilinear aliased"):
            name = f"{case} x{scale}, border cut"
            mean = summarise([clean, score(name, "a", 24.0, 24.0 + gain)])[-1]
            assert (mean.bar, mean.met) == (2.1, met)


def test_clean_pictures_are_measured_against_themselves() -> None:
    """The mean meets the bar; the worst photograph stands beside it; untouched is not infinite."""
    untouched, worn = score(CLEAN, "a", math.inf, math.inf), score(CLEAN, "b", math.inf, 35.0)
    (mean,) = summarise([untouched, worn])
    assert (mean.before, mean.gain, mean.gain_cropped) == (None, None, None)
    assert (mean.after, mean.least_after) == ((99 + 35) / 2, 35.0)
    assert (mean.bar, mean.met) == (42.0, True)
    (alone,) = summarise([worn])
    assert alone.met is False


def test_every_bar_has_a_case_and_the_deblur_suite_has_all_bars() -> None:
    names = {case.name for suite in CASES.values() for case in suite}
    parts = {f"{case.name}, sharp part" for case in CASES["partial"] if case.part}
    cut = {
        f"{case.name} x{scale}, border cut"
        for case in REDUCTIONS["upscale-real"]
        for scale in (2, 4, 8)
    }
    colours = {f"flat {colour}" for colour in ("green", "red", "blue", "white", "black")}
    whole = {"bicubic x4", "bicubic x8"}
    cubes = {case.name for case in DENOISE_CUBE} | {SNAPSHOT}
    assert set(BARS) == names | parts | cut | whole | colours | cubes | {"pairs motion"}


def test_nothing_must_become_worse() -> None:
    for case in (case.name for suite in CASES.values() for case in suite if case.name != CLEAN):
        (mean,) = summarise([score(case, "a", 25.0, 24.94)])
        assert mean.met is False
    (mean,) = summarise([score("bicubic x2", "a", 30.0, 30.1)])
    assert (mean.bar, mean.met) == (None, None)


def cube_score(file: str, after: float, angle: float) -> Score:
    """Beside a baseline of 30 dB and 8 degrees."""
    return score(
        "cube noise 25", file, 20.0, after, sam_before=30.0, sam_after=angle,
        baseline="non-local means", baseline_after=30.0, baseline_ssim=0.7, baseline_sam=8.0,
    )  # fmt: skip


def test_every_cube_must_be_above_the_baseline() -> None:
    """By 2 dB and by a smaller angle, each of them: a good mean hides none."""
    (good,) = summarise([cube_score("a", 33.0, 6.0), cube_score("b", 32.0, 7.9)])
    assert (good.met, good.baseline_bar, good.over_baseline, good.least_over_baseline) == (
        True, 2.0, 2.5, 2.0
    )  # fmt: skip
    assert (good.sam_before, good.sam_after, good.baseline_sam) == (30.0, 6.95, 8.0)
    for worse in (cube_score("b", 31.9, 7.9), cube_score("b", 39.0, 8.0)):
        (mean,) = summarise([cube_score("a", 39.0, 1.0), worse])
        assert mean.met is False
    (record,) = records([good], "denoise-cube", "val")
    assert (record["baseline"], record["baseline_db"], record["sam_after"]) == (
        "non-local means", 30.0, 6.95
    )  # fmt: skip
    assert (record["over_baseline_db"], record["least_over_baseline_db"]) == (2.5, 2.0)


def test_photographs_have_neither_angles_nor_a_baseline() -> None:
    (mean,) = summarise([score("disk 2", "a", 24.0, 27.0)])
    assert (mean.sam_after, mean.baseline, mean.over_baseline, mean.baseline_bar) == (
        None, "", None, None
    )  # fmt: skip
    (record,) = records([mean], "deblur", "val")
    assert not any("baseline" in name or "sam" in name for name in record)


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
            score(CLEAN, "a", math.inf, 40.0, levels=3.0),
            score("disk 3", "a", 24.0, 24.5, st_lpips_before=0.3, st_lpips_after=0.2, note="far"),
        ]
    )
    written = json.loads(json.dumps(records(means, "deblur", "val"), allow_nan=False))
    first, second, third = written
    assert first == {
        "suite": "deblur", "photos": "val", "case": "disk 2", "files": 1, "before_db": 24.0,
        "after_db": 24.5, "gain_db": 0.5, "worst_db": 24.5, "ssim_before": 0.8, "ssim_after": 0.9,
        "worst_gain_db": 0.5,
    }  # fmt: skip
    assert second["gain_db"] is None and second["worst_db"] == 40.0 and second["levels"] == 3.0
    assert "worst_gain_db" not in second
    assert set(third) - set(first) == {"st_lpips_before", "st_lpips_after", "note"}
    assert (third["st_lpips_before"], third["st_lpips_after"], third["note"]) == (0.3, 0.2, "far")
