"""Reading the next file and writing the last one while a picture is restored."""

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from PIL import Image

from serpent_cli.batch import stages
from serpent_cli.batch.naming import Job
from serpent_cli.batch.opened import DECODING_BYTES
from serpent_cli.batch.runner import run
from serpent_cli.batch.stages import CODING_COPIES, THREAD_BYTES, RunOptions
from serpent_cli.restoration.restorer import Restorer

PATIENCE = 20  # seconds until what should happen counts as not happening
HEIGHT, WIDTH = 40, 50
STAGES = ("read", "restore", "write")
Stage = Callable[[str], None]
Watch = Callable[..., RunOptions]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """watch(read=..., restore=..., write=...): each is called first thing with the file's stem."""
    read_picture, write_picture = stages.read_picture, stages.write_to

    def install(**called: Stage) -> RunOptions:
        def begin(stage: str, name: str) -> None:
            if stage in called:
                called[stage](name)

        def reading(stream: BinaryIO, **options: int) -> object:
            begin("read", Path(stream.name).stem)
            return read_picture(stream, **options)

        def writing(picture: object, path: Path, **options: bool) -> object:
            begin("write", path.stem)
            return write_picture(picture, path, **options)  # pyright: ignore

        monkeypatch.setattr(stages, "read_picture", reading)
        monkeypatch.setattr(stages, "write_to", writing)
        return RunOptions(on_size=lambda job, height, width: begin("restore", job.source.stem))

    return install


@pytest.fixture
def log(watch: Watch) -> tuple[list[str], RunOptions]:
    """Each stage's begin, such as "read a", and options that record it."""
    entries: list[str] = []

    def recorder(stage: str) -> Stage:
        return lambda name: entries.append(f"{stage} {name}")

    return entries, watch(**{stage: recorder(stage) for stage in STAGES})


def leave_room(restorer: Restorer, room: int) -> None:
    """A budget with this many bytes beside the plan of one picture."""
    restorer.budget = restorer.plan(HEIGHT, WIDTH).peak_bytes + room


def test_three_files_are_in_work_at_once(
    four_jobs: list[Job], restorer: Restorer, watch: Watch
) -> None:
    together = threading.Barrier(3, timeout=PATIENCE)

    def meet(awaited: str) -> Stage:
        def wait(name: str) -> None:
            if name == awaited:
                together.wait()

        return wait

    options = watch(read=meet("c"), restore=meet("b"), write=meet("a"))
    results = list(run(four_jobs, restorer, options))
    assert [result.error for result in results] == [None] * 4
    assert [result.job for result in results] == four_jobs
    for job in four_jobs:
        before, after = np.array(Image.open(job.source)), np.array(Image.open(job.target))
        np.testing.assert_array_equal(after, 255 - before)


def test_pictures_are_restored_in_order_by_the_calling_thread(
    four_jobs: list[Job], restorer: Restorer
) -> None:
    heard: list[tuple[str | int, threading.Thread]] = []

    def hear(step: str | int) -> None:
        heard.append((step, threading.current_thread()))

    options = RunOptions(
        on_size=lambda job, height, width: hear(job.source.stem),
        on_tile=lambda done, total: hear(done),
    )
    tiles = restorer.plan(HEIGHT, WIDTH).tiles
    assert [result.tiles for result in run(four_jobs, restorer, options)] == [tiles] * 4
    here = threading.current_thread()
    assert heard == [(step, here) for name in "abcd" for step in (name, *range(tiles + 1))]


def test_an_endless_supply_is_taken_one_job_ahead(
    tmp_path: Path, four_jobs: list[Job], restorer: Restorer, watch: Watch
) -> None:
    taken, read, seen = [0], [0], list[tuple[int, int]]()

    def endless() -> Iterator[Job]:
        for number in itertools.count():
            taken[0] += 1
            yield Job(four_jobs[number % 4].source, tmp_path / f"{number}.png")

    def count_read(name: str) -> None:
        read[0] += 1

    def look(name: str) -> None:
        seen.append((taken[0], read[0]))

    options = watch(read=count_read, restore=look)
    results = run(endless(), restorer, options)
    assert all(result.error is None for result in itertools.islice(results, 5))
    for restored, (jobs_taken, pictures_read) in enumerate(seen, start=1):
        assert jobs_taken == restored + 1
        assert restored <= pictures_read <= restored + 1
    assert len(seen) == 6, "only one result may be held back"


def test_nothing_overlaps_when_the_budget_has_no_room(
    four_jobs: list[Job], restorer: Restorer, log: tuple[list[str], RunOptions]
) -> None:
    entries, options = log
    leave_room(restorer, 0)
    for number, result in enumerate(run(four_jobs, restorer, options), start=1):
        assert result.error is None
        assert entries == [f"{s} {name}" for name in "abcd"[:number] for s in STAGES]


def test_what_is_written_counts_in_the_room_for_the_next_picture(
    four_jobs: list[Job], restorer: Restorer, watch: Watch
) -> None:
    read = {name: threading.Event() for name in "abcd"}
    early: list[str] = []

    def begin_reading(name: str) -> None:
        read[name].set()

    def restore(name: str) -> None:
        following = chr(ord(name) + 1)
        if name in "ac":  # nothing is being written: the next one is read
            assert read[following].wait(PATIENCE)
        early.extend(each for each in "bcd" if each > name and read[each].is_set())

    decoding, coding = HEIGHT * WIDTH * DECODING_BYTES, HEIGHT * WIDTH * 3 * CODING_COPIES
    leave_room(restorer, THREAD_BYTES + decoding + coding - 1)
    options = watch(read=begin_reading, restore=restore)
    assert [result.error for result in run(four_jobs, restorer, options)] == [None] * 4
    assert early == ["b", "d"]


def test_a_long_picture_does_not_hold_the_result_before_it_back(
    four_jobs: list[Job],
    restorer: Restorer,
    log: tuple[list[str], RunOptions],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries, options = log
    monkeypatch.setattr(stages, "LONG_PIXELS", HEIGHT * WIDTH - 1)
    for number, _ in enumerate(run(four_jobs, restorer, options), start=1):
        assert sum(entry.startswith("restore") for entry in entries) == number
        assert four_jobs[number - 1].target.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX")
def test_a_named_pipe_is_read_in_its_turn(four_jobs: list[Job], restorer: Restorer) -> None:
    pipe = four_jobs[1].source
    content = pipe.read_bytes()
    pipe.unlink()
    os.mkfifo(pipe)
    feeder = threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True)
    feeder.start()
    results = list(run(four_jobs, restorer, RunOptions()))
    assert [result.error for result in results] == [None] * 4
    feeder.join(PATIENCE)


def test_seconds_count_a_file_s_own_stages_alone(
    four_jobs: list[Job],
    restorer: Restorer,
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = threading.local()  # each thread has its own time, which only passes in its stage

    def now() -> float:
        return getattr(clock, "seconds", 0.0)

    def spend(seconds: float) -> Stage:
        return lambda name: setattr(clock, "seconds", now() + seconds)

    monkeypatch.setattr(time, "perf_counter", now)
    options = watch(read=spend(1), restore=spend(10), write=spend(100))
    for result in run(four_jobs, restorer, options):
        assert result.seconds == 111
        spend(1000)("by the caller")
