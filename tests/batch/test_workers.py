"""Several restorers share the jobs of one run."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from serpent_cli.batch.naming import Job
from serpent_cli.batch.stages import RunOptions
from serpent_cli.batch.workers import run_all
from serpent_cli.restoration.restorer import Restorer

PATIENCE = 20  # seconds


class Meeting(nn.Module):
    """Restores only when two pictures are in two hands at once."""

    def __init__(self) -> None:
        super().__init__()
        self.barrier = threading.Barrier(2)
        self.threads: set[int] = set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.threads.add(threading.get_ident())
        self.barrier.wait(PATIENCE)
        return 1 - x


def test_two_pictures_are_restored_at_once(
    four_jobs: list[Job], restorer_with: Callable[..., Restorer]
) -> None:
    for job in four_jobs:  # small ones would all go to whoever is first
        Image.open(job.source).resize((300, 240)).save(job.source)
    meeting, threads = Meeting(), torch.get_num_threads()
    restorers = [restorer_with(meeting), restorer_with(meeting)]
    results = list(run_all(four_jobs, restorers, RunOptions()))
    assert [result.error for result in results] == [None] * 4
    assert {result.job for result in results} == set(four_jobs)
    assert len(meeting.threads) == 2
    assert torch.get_num_threads() == threads
    for job in four_jobs:
        source, target = (np.asarray(Image.open(str(p))) for p in (job.source, job.target))
        np.testing.assert_array_equal(target, 255 - source)


def test_one_restorer_gives_results_in_order(four_jobs: list[Job], restorer: Restorer) -> None:
    results = list(run_all(four_jobs, [restorer], RunOptions()))
    assert [result.job for result in results] == four_jobs


def test_leaving_early_ends_the_workers(
    tmp_path: Path, four_jobs: list[Job], restorer_with: Callable[..., Restorer]
) -> None:
    taken: list[Job] = []

    def endless() -> Iterator[Job]:
        for number in range(10_000):
            taken.append(Job(four_jobs[0].source, tmp_path / "out" / f"{number}.png"))
            yield taken[-1]

    before = threading.active_count()
    restorers = [restorer_with(nn.Identity()), restorer_with(nn.Identity())]
    results = run_all(endless(), restorers, RunOptions())
    assert next(results).error is None
    results.close()
    assert threading.active_count() == before
    assert len(taken) < 100
    assert not list(tmp_path.rglob("*.part"))


def test_an_error_of_the_jobs_reaches_the_caller(
    four_jobs: list[Job], restorer_with: Callable[..., Restorer]
) -> None:
    def breaking() -> Iterator[Job]:
        yield from four_jobs
        raise ConnectionError("no more")

    restorers = [restorer_with(nn.Identity()), restorer_with(nn.Identity())]
    with pytest.raises(ConnectionError, match="no more"):
        list(run_all(breaking(), restorers, RunOptions()))
