"""What is seen while pictures are restored, on terminals of 60 and 100 columns and without one."""

import os
import re
import signal
import sys
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from serpent_cli.cli.progress_bar import Bar
from serpent_cli.cli.screen import Work, clock

if sys.platform == "win32" or util.find_spec("pyte") is None:
    pytest.skip("pseudo-terminals of POSIX, and pyte", allow_module_level=True)

spec = util.spec_from_file_location("terminal", Path(__file__).with_name("terminal.py"))
assert spec is not None
assert spec.loader is not None
terminal = util.module_from_spec(spec)
sys.modules["terminal"] = terminal
spec.loader.exec_module(terminal)

Serpent = Callable[..., Any]
Model = tuple[str, Path]
NUMBERS = r"(\d+)/(\d+) tiles  [\d.]+ MP/s  \d+:\d\d  ETA \d+:\d\d"


@pytest.fixture
def holiday(tmp_path: Path, photo: NDArray[np.uint8]) -> Path:
    """A folder with two photographs, of 720 x 768 pixels and fewer."""
    folder = tmp_path / "holiday"
    folder.mkdir()
    Image.fromarray(np.tile(photo, (8, 6, 1))).save(folder / "a sunset [1] over the sea.png")
    Image.fromarray(np.tile(photo, (5, 5, 1))).save(folder / "b.png")
    return folder


@pytest.mark.parametrize("columns", [60, 100])
def test_screens_of_a_run_in_tiles(columns: int, holiday: Path, model: Model) -> None:
    seen = terminal.watch(
        ["deblur", "holiday", *model, "--tile", "96"], columns, folder=holiday.parent
    )
    assert seen.code == 0
    assert seen.screens[0][1][0].startswith("loading tiny on cpu, ")
    at_work = [line for line in seen.lines() if re.search(NUMBERS, line)]
    assert at_work, seen.last
    for line in at_work:
        assert len(line) < columns
        assert re.fullmatch(r"(a sunset \[1.*|b\.png) +━*─*  " + NUMBERS, line), line
    done = [int(re.search(NUMBERS, line)[1]) for line in at_work if line.startswith("a")]  # pyright: ignore
    assert done == sorted(done)
    assert len(set(done)) > 3
    assert any(re.match(r"1 of 2 pictures +━+─* +\d:\d\d  ETA \d", line) for line in seen.lines())
    left = "".join(seen.last[1:])  # whatever the terminal has wrapped
    assert left.count("_deblurred/") == 3, "the bars are gone, the results and the summary stay"
    assert re.search(r"2 pictures in [\d.]+ s, 0 skipped, 0 failed → ?holiday_deblurred/$", left)


@pytest.mark.parametrize("columns", [60, 100])
def test_work_inside_a_picture_that_is_restored_whole(
    columns: int, holiday: Path, model: Model, photo: NDArray[np.uint8]
) -> None:
    picture = holiday / "large.png"  # seconds of work, so that several shares are shown
    Image.fromarray(np.tile(photo, (20, 16, 1))).save(picture)
    seen = terminal.watch(
        ["deblur", picture.name, *model, "-o", "c.png", "--tile", "whole", "--threads", "1"],
        columns,
        folder=holiday,
    )
    assert seen.code == 0
    shares = [int(found[1]) for line in seen.lines() if (found := re.search(r"  (\d+)%  ", line))]
    assert shares == sorted(shares)
    assert len({share for share in shares if 0 < share < 100}) >= 2, shares
    assert any(re.search(r"\d%  [\d.]+ MP/s  \d:\d\d  ETA \d", line) for line in seen.lines())
    assert re.fullmatch(r"1 picture in [\d.]+ s → c.png", seen.last[-1])


def test_the_first_line_comes_at_once(photo_file: Path, model: Model) -> None:
    """Within half a second of the CPU: others may be at work on the machine."""
    seconds: list[float] = []
    for _ in range(5):
        begun = sum(os.times()[2:4])
        seen = terminal.watch(
            ["deblur", photo_file.name, *model, "-f"], 80, folder=photo_file.parent,
            act=lambda process, lines: process.kill(),
        )  # fmt: skip
        seconds.append(sum(os.times()[2:4]) - begun)
        assert seen.last[0].startswith("loading tiny on cpu, ")
    assert min(seconds) < 0.5


def test_results_stay_out_of_the_terminal_if_they_go_elsewhere(
    holiday: Path, model: Model, tmp_path: Path
) -> None:
    seen = terminal.watch(
        ["deblur", "holiday", *model], 100, folder=tmp_path, apart=tmp_path / "list.txt"
    )
    assert len(seen.out.splitlines()) == 2
    assert seen.out.decode().splitlines()[1].endswith("holiday_deblurred/b.png")
    assert not [line for line in seen.lines() if line.endswith("b.png")]


def test_ctrl_c_tells_what_was_kept_and_how_to_resume(
    holiday: Path, model: Model, photo: NDArray[np.uint8]
) -> None:
    Image.fromarray(np.tile(photo, (16, 16, 1))).save(holiday / "c.png", compress_level=1)
    command = ["deblur", "holiday", *model, "--tile", "64"]

    def interrupt(process: Any, lines: list[str]) -> None:
        if any(re.match(r"c\.png .* [1-9]\d*/\d+ tiles", line) for line in lines):
            process.send_signal(signal.SIGINT)

    seen = terminal.watch(command, 100, folder=holiday.parent, act=interrupt)
    assert seen.code == 130
    text = "\n".join(seen.last)
    assert "stopped; 2 of 3 pictures are finished and kept in" in text
    assert "run the same command again to do the others" in text
    kept = {path.name for path in holiday.with_name("holiday_deblurred").iterdir()}
    assert len([name for name in kept if name.endswith(".png")]) == 2
    again = terminal.watch([*command, "--strength", "1"], 100, folder=holiday.parent, act=interrupt)
    assert "2 of 3 pictures" in "\n".join(again.last), "they were not done anew"


def test_ctrl_c_before_anything_is_finished(
    tmp_path: Path, model: Model, photo: NDArray[np.uint8]
) -> None:
    Image.fromarray(np.tile(photo, (16, 16, 1))).save(tmp_path / "c.png", compress_level=1)

    def interrupt(process: Any, lines: list[str]) -> None:
        if any("tiles" in line for line in lines):
            process.send_signal(signal.SIGINT)

    seen = terminal.watch(
        ["deblur", "c.png", *model, "--tile", "64"], 60, folder=tmp_path, act=interrupt
    )
    assert (seen.code, seen.last[-1]) == (130, "stopped; nothing was written")


def test_without_a_terminal_one_line_for_each_picture(
    serpent: Serpent, holiday: Path, model: Model
) -> None:
    seen = serpent("deblur", holiday, *model)
    assert seen.err == []
    loading, first, second, summary = seen.progress
    assert loading.startswith("loading tiny on cpu, ")
    assert re.fullmatch(r"1/2 .*a sunset \[1\] over the sea\.png in [\d.]+ s", first)
    assert re.fullmatch(r"2/2 .*b\.png in [\d.]+ s", second)
    assert re.fullmatch(r"2 pictures in .*, 0 skipped, 0 failed → .*holiday_deblurred/", summary)
    (summary,) = serpent("deblur", holiday, *model).progress
    assert re.fullmatch(r"2 pictures in .*, 2 skipped, 0 failed → .*holiday_deblurred/", summary)
    assert serpent("deblur", holiday, *model, "-f", "-q").progress == []


def test_failures_are_counted(serpent: Serpent, holiday: Path, model: Model) -> None:
    (holiday / "broken.png").write_bytes(b"")
    seen = serpent("deblur", holiday, *model)
    assert seen.code == 1
    assert ", 0 skipped, 1 failed → " in seen.progress[-1]


@pytest.mark.parametrize("width", [30, 40, 60, 100, 250])
@pytest.mark.parametrize("name", ["a.png", "漢字" * 40, "x" * 90])
def test_no_line_is_too_long(width: int, name: str) -> None:
    from rich.cells import cell_len

    work = Work(10_000, "pictures", begun=0.0, done=1234)
    work.file(name, 24_000_000, 5.0)
    for parts in ((0, 4096), (1024, 4096), (0, 1), (1, 1)):
        work.parts = parts
        for now in (5.0, 5.5, 4000.0, 90_000.0):
            lines = work.lines(now, width)
            assert len(lines) == 2
            assert all(cell_len(line) < width for line in lines), lines


def test_a_gpu_is_asked_before_the_screen_is_drawn_and_before_a_tile_counts() -> None:
    work, told = Work(1, "pictures"), [0.25, 1.0, 0.01]
    bar = Bar(work)
    bar.file("a.png", 1_000_000)
    bar.tile(0, 2)
    with bar.asking(lambda: bar.inside(told.pop(0))):
        bar.ask()
        assert work.share() == pytest.approx(0.125)
        bar.ask()
        assert work.share() == pytest.approx(0.4995), "`tile` alone makes it a whole one"
        bar.tile(1, 2)  # hears of the next tile, which the GPU has begun
        assert work.share() == 0.5
    bar.ask()
    assert told == [], "nobody asks once the run is over"


def test_what_is_left_follows_from_what_is_done() -> None:
    work = Work(4, "pictures", begun=0.0)
    assert work.left_in_all(3.0) is None
    work.done = work.quick = 1  # done before: says nothing about the speed
    assert work.finished() == 1
    work.file("a.png", 2_000_000, 10.0)
    assert (work.left(12.0), work.left_in_all(12.0)) == (None, None)
    work.parts, work.inside = (1, 4), 0.5
    assert work.share() == 0.375
    assert work.left(40.0) == pytest.approx(50)
    assert work.left_in_all(40.0) == pytest.approx(30 * 2.625 / 0.375)
    assert "3/8" not in work.lines(40.0, 100)[0]
    assert "1/4 tiles  0.03 MP/s  0:30  ETA 0:50" in work.lines(40.0, 100)[0]
    work.file("b.png", 2_000_000, 90.0)
    assert work.done == 1, "the result of a.png is still being written"
    assert work.finished() == 2
    work.parts = (2, 4)
    assert work.left_in_all(110.0) == pytest.approx(100 * 1.5 / 1.5)
    assert [clock(seconds) for seconds in (0, 7.9, 754, 3723)] == [
        "0:00",
        "0:07",
        "12:34",
        "1:02:03",
    ]
