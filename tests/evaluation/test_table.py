import math

from serpent_cli.evaluation.cases import CLEAN
from serpent_cli.evaluation.suite import Score
from serpent_cli.evaluation.summary import summarise
from serpent_cli.evaluation.table import caption, markdown, rows


def score(case: str, before: float, after: float, **more: object) -> Score:
    return Score(case, "a", before, after, before - 0.5, after - 0.25, 0.8, 0.9, 2.0, **more)  # pyright: ignore


def test_the_table_leaves_out_what_nothing_fills() -> None:
    means = summarise([score("disk 2", 24.0, 24.5), score(CLEAN, math.inf, 40.0, levels=3.0)])
    head, disk, clean = rows(means)
    assert len(head) == len(disk) == len(clean)
    assert dict(zip(head, disk, strict=True)) == {
        "case": "disk 2", "files": "1", "before dB": "24.00", "after dB": "24.50",
        "gain dB": "0.50", "worst dB": "24.50", "SSIM before": "0.8000",
        "SSIM after": "0.9000", "worst gain dB": "0.50", "levels": "",
        "seconds": "2.00", "bar": "2.20", "met": "NO",
    }  # fmt: skip
    cells = dict(zip(head, clean, strict=True))
    assert (cells["gain dB"], cells["worst gain dB"], cells["levels"]) == ("", "", "3.0")


def test_the_table_shows_shares_and_what_one_photograph_may_lose() -> None:
    even, half = score("disk 3, same half", 24.0, 28.0), score("half disk 3", 24.0, 27.0)
    head, _, second = rows(summarise([even, half]))
    cells = dict(zip(head, second, strict=True))
    assert (cells["share"], cells["bar"], cells["met"]) == ("75 %", "3.40", "NO")
    head, pair = rows(summarise([score("pairs motion", 24.0, 25.0)]))
    assert dict(zip(head, pair, strict=True))["bar"] == "0.80, worst -0.05"


def test_the_table_shows_low_frequencies_and_their_bar() -> None:
    means = summarise([score("bicubic x8", 24.0, 25.0, low_frequency_rms=1.25)])
    head, row = rows(means)
    cells = dict(zip(head, row, strict=True))
    assert (cells["low-freq. rms"], cells["bar"], cells["met"]) == ("1.25", "0.60", "yes")
    assert "Low-freq. rms: of the result, reduced again" in caption(means)
    means = summarise([score("bicubic x4", 24.0, 25.0, low_frequency_rms=1.75)])
    head, row = rows(means)
    cells = dict(zip(head, row, strict=True))
    assert (cells["bar"], cells["met"]) == ("low-freq. 1.50", "NO")


def test_the_table_shows_oracles_lpips_and_reservations() -> None:
    told = score(
        "gaussian-61", 24.0, 26.0, wiener={0.001: 25.0, 10**-2.5: 25.5},
        richardson_lucy={30: 26.25}, st_lpips_before=0.4, st_lpips_after=0.25, note="out of range",
    )  # fmt: skip
    head, first, second = rows(summarise([told, score("disk 2", 24.0, 24.5)]))
    cells, others = (dict(zip(head, row, strict=True)) for row in (first, second))
    assert (cells["Wiener dB"], cells["Richardson-Lucy dB"]) == ("25.50 (0.0032)", "26.25 (30)")
    assert (cells["over oracles"], cells["note"]) == ("-0.25", "out of range")
    assert (cells["ST-LPIPS before"], cells["ST-LPIPS after"]) == ("0.4000", "0.2500")
    assert others["Wiener dB"] == others["over oracles"] == others["note"] == ""


def test_the_caption_says_what_the_figures_are() -> None:
    plain = caption(summarise([score("disk 2", 24.0, 24.5)]))
    assert plain == "PSNR and SSIM of RGB, whole frames."
    told = score("g", 24.0, 26.0, wiener={0.1: 25.0}, richardson_lucy={3: 25.0}, note="x")
    assert "told the true kernel" in caption(summarise([told]))
    assert "not trained" in caption(summarise([told]))
    parts = [score("half disk 3", 24.0, 27.0), score("half disk 3, sharp part", math.inf, 40.0)]
    assert "the left half" in caption(summarise(parts))
    assert "Levels: largest difference" in caption(summarise(parts))
    real = [score(f"{case} x4, border cut", 24.0, 25.0) for case in ("bicubic", "box")]
    assert "Share: of the gain where" in caption(summarise(real))
    enlarged = [score("bicubic x8", 24.0, 25.0), score("bicubic x8, border cut", 24.0, 25.0)]
    assert "Y (BT.601)" in caption(summarise(enlarged))
    assert "publications" in caption(summarise(enlarged))


def test_markdown_is_the_same_table_with_its_caption() -> None:
    means = summarise([score("disk 2", 24.0, 24.5), score(CLEAN, math.inf, 40.0)])
    lines = markdown(means).splitlines()
    assert lines[0].startswith("| case | files |") and lines[2].startswith("| disk 2 | 1 | 24.00 ")
    assert {line.count("|") for line in lines[:4]} == {len(rows(means)[0]) + 1}
    assert lines[4:] == ["", caption(means)]


def test_cubes_have_angles_and_a_baseline() -> None:
    cubes = summarise(
        [score("cube noise 25", 20.0, 33.0, sam_before=30.0, sam_after=6.0,
               baseline="non-local means", baseline_after=30.0, baseline_ssim=0.7,
               baseline_sam=8.0)]
    )  # fmt: skip
    head, row = rows(cubes)
    shown = dict(zip(head, row, strict=True))
    assert (shown["angle before"], shown["angle after"], shown["baseline angle"]) == (
        "30.00", "6.00", "8.00"
    )  # fmt: skip
    assert (shown["baseline dB"], shown["over baseline"], shown["met"]) == ("30.00", "+3.00", "yes")
    assert shown["bar"] == "-0.05, least over baseline 2.00"
    assert "non-local means of each band" in caption(cubes)
    photographs = summarise([score("disk 2", 24.0, 24.5)])
    assert not any("baseline" in title or "angle" in title for title in rows(photographs)[0])
