"""How a run over several files ends: failures of every stage, early close, signals."""

import functools
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from serpent_cli.batch import opened as opened_files
from serpent_cli.batch import stages
from serpent_cli.batch.mini_batches import GATHERED
from serpent_cli.batch.naming import Job
from serpent_cli.batch.runner import run
from serpent_cli.batch.stages import RunOptions
from serpent_cli.errors import PictureError, SerpentError
from serpent_cli.restoration.restorer import Restorer


def check_folder(folder: Path, names: str) -> None:
    """Exactly these pictures, whole, and nothing half-written."""
    assert sorted(path.name for path in folder.iterdir()) == [f"{name}.png" for name in names]
    for path in folder.iterdir():
        Image.open(path).load()


@pytest.mark.parametrize("stage", ["read_picture", "write_to", "restore"])
@pytest.mark.parametrize("failure", [PictureError("cannot"), ZeroDivisionError("by nought")])
def test_a_failure_of_any_stage_is_the_result_of_its_own_file(
    stage: str,
    failure: Exception,
    four_jobs: list[Job],
    restorer: Restorer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = restorer if stage == "restore" else stages
    works, calls = getattr(owner, stage), [0]

    def fail_second(*args: object, **options: object) -> object:
        calls[0] += 1
        if calls[0] == 2:
            raise failure
        return works(*args, **options)

    monkeypatch.setattr(owner, stage, fail_second)
    results = list(run(four_jobs, restorer, RunOptions()))
    assert [result.job for result in results] == four_jobs
    assert [result.error is None for result in results] == [True, False, True, True]
    error, b = results[1].error, four_jobs[1].source
    if isinstance(failure, PictureError):
        assert error is failure
    else:
        assert type(error) is SerpentError
        assert error.message == f"{b}: unexpected ZeroDivisionError: by nought"
        assert error.__cause__ is failure
    check_folder(four_jobs[0].target.parent, "acd")


def test_an_existing_target_is_refused_before_its_source_is_read(
    four_jobs: list[Job], restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    four_jobs[1].target.parent.mkdir()
    four_jobs[1].target.write_bytes(b"precious")
    opened: list[str] = []

    def spy(works: Callable[..., object], stream: BinaryIO, **options: object) -> object:
        opened.append(Path(stream.name).stem)
        return works(stream, **options)

    for module, name in ((stages, "read_picture"), (opened_files, "read_layout")):
        monkeypatch.setattr(module, name, functools.partial(spy, getattr(module, name)))
    results = list(run(four_jobs, restorer, RunOptions()))
    assert [result.error is None for result in results] == [True, False, True, True]
    assert set(opened) == set("acd")
    assert four_jobs[1].target.read_bytes() == b"precious"


def test_an_error_of_the_jobs_themselves_comes_after_all_results(
    four_jobs: list[Job], restorer: Restorer
) -> None:
    def breaking() -> Iterator[Job]:
        yield from four_jobs
        raise ConnectionError("no more")

    results = run(breaking(), restorer, RunOptions())
    assert [next(results).error for _ in four_jobs] == [None] * 4
    with pytest.raises(ConnectionError, match="no more"):
        next(results)


def test_no_jobs_give_no_results(restorer: Restorer) -> None:
    assert list(run([], restorer, RunOptions())) == []


def test_closing_early_finishes_what_is_written(four_jobs: list[Job], restorer: Restorer) -> None:
    threads = threading.active_count()
    results = run(four_jobs, restorer, RunOptions())
    assert next(results).job == four_jobs[0]
    results.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert threading.active_count() == threads
    check_folder(four_jobs[0].target.parent, "ab")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interruption_passes_through_and_ends_the_threads(
    interruption: type[BaseException], four_jobs: list[Job], restorer: Restorer
) -> None:
    def interrupt(job: Job, height: int, width: int) -> None:
        if job == four_jobs[2]:
            raise interruption

    threads = threading.active_count()
    results = run(four_jobs, restorer, RunOptions(on_size=interrupt))
    assert next(results).job == four_jobs[0]
    with pytest.raises(interruption):
        next(results)
    assert threading.active_count() == threads
    check_folder(four_jobs[0].target.parent, "ab")


@pytest.fixture
def batch(
    tmp_path: Path, photo: NDArray[np.uint8], make_weights: Callable[..., Path]
) -> Iterator[subprocess.Popen[str]]:
    """A process that restores 100 pictures from `in` to `out`."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(100):
        Image.fromarray(photo).save(folder / f"{number:03}.png")
    command = [sys.executable, "-m", "serpent_cli", "deblur", str(folder)]
    command += ["-o", str(tmp_path / "out"), "--model", str(make_weights()), "--threads", "1"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore interruptions, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        yield process
        process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_batch_leaves_whole_files_only(
    number: signal.Signals, batch: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert batch.stdout is not None
    assert batch.stderr is not None
    told = [batch.stdout.readline().rstrip() for _ in range(3)]
    batch.send_signal(number)
    told += batch.stdout.read().splitlines()  # `communicate` would pass over what is buffered here
    assert batch.wait(timeout=60) == 128 + number
    said = [line for line in batch.stderr.read().splitlines() if "/100 " not in line]
    written = sorted(path for path in (tmp_path / "out").iterdir() if path.suffix == ".png")
    assert not list((tmp_path / "out").glob("*.part"))
    told_last = [
        f"stopped; {len(written)} of 100 pictures are finished and kept in {tmp_path / 'out'}/",
        "hint: run the same command again to do the others",
    ]
    assert said == [
        "loading tiny on cpu, 1 thread",
        *(told_last if number == signal.SIGINT else []),
    ]
    assert len(written) < 100, "it was in the middle of the batch"
    assert told == [str(path) for path in written[: len(told)]]
    assert len(written) <= len(told) + 2 * GATHERED
    for path in written:
        assert Image.open(path).convert("RGB").size == (120, 96)
