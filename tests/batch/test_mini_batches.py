"""Small pictures of one shape are restored at once, and come out as if each had been alone."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from serpent_cli.batch.mini_batches import GATHERED
from serpent_cli.batch.naming import Job
from serpent_cli.batch.runner import run
from serpent_cli.batch.stages import RunOptions
from serpent_cli.errors import PictureError, UsageError
from serpent_cli.model.config import ModelConfig
from serpent_cli.restoration.restorer import BATCH_SIZE, Restorer

Make = Callable[..., Restorer]


class Watched(nn.Module):
    """A network that keeps the shapes it was given."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.shapes = network, list[tuple[int, ...]]()

    def forward(self, x: Tensor) -> Tensor:
        self.shapes.append(tuple(x.shape))
        return self.network(x)

    def calls(self) -> list[int]:
        """How many pictures each call brought, without those that tried one alone."""
        return [n for i, (n, *_) in enumerate(self.shapes) if n > 1 or not self._tried(i)]

    def _tried(self, i: int) -> bool:
        before = self.shapes[i - 1] if i else (1,)
        return before[0] > 1 and before[1:] == self.shapes[i][1:]


@pytest.fixture
def network(network_for: Callable[..., nn.Module]) -> Watched:
    return Watched(network_for(ModelConfig(patch_size=1, widths=(8, 16, 16, 16))))


@pytest.fixture
def make_jobs(tmp_path: Path, photo: NDArray[np.uint8]) -> Callable[..., list[Job]]:
    """make_jobs((rows, columns), ...): pictures 00.png, ... for the folder `out`."""

    def make(*sizes: tuple[int, int]) -> list[Job]:
        jobs: list[Job] = []
        for number, (height, width) in enumerate(sizes):
            job = Job(tmp_path / f"{number:02}.png", tmp_path / "out" / f"{number:02}.png")
            large = np.tile(photo, (3, 3, 1))
            Image.fromarray(large[number : number + height, :width]).save(job.source)
            jobs.append(job)
        return jobs

    return make


def check(jobs: list[Job], restorer: Restorer) -> None:
    """Each result is what a picture restored by itself gives."""
    for job in jobs:
        alone = restorer(np.array(Image.open(job.source)))
        np.testing.assert_array_equal(np.asarray(Image.open(job.target)), alone)


def test_pictures_of_one_shape_cross_the_network_at_once(
    make_jobs: Callable[..., list[Job]], network: Watched, restorer_with: Make
) -> None:
    jobs, restorer = make_jobs(*[(70, 90)] * (2 * BATCH_SIZE + 3)), restorer_with(network)
    results = list(run(jobs, restorer, RunOptions()))
    assert [result.job for result in results] == jobs
    assert [result.error for result in results] == [None] * len(jobs)
    assert all((r.width, r.height, r.tiles) == (90, 70, 1) and r.seconds > 0 for r in results)
    assert network.calls() == [BATCH_SIZE, BATCH_SIZE, 3]
    check(jobs, restorer)


def test_shapes_that_alternate_are_sorted_and_results_stay_in_order(
    make_jobs: Callable[..., list[Job]], network: Watched, restorer_with: Make
) -> None:
    # 65 and 70 rows are both 72 to the network.
    jobs = make_jobs((70, 90), (90, 65), (65, 90), (90, 70), (70, 90), (140, 130), (70, 90))
    restorer = restorer_with(network)
    assert [result.job for result in run(jobs, restorer, RunOptions())] == jobs
    assert network.calls() == [3, 2, 1, 1], "upright, lying, a large one, and what followed it"
    check(jobs, restorer)


def test_pictures_of_many_shapes_cross_the_network_once_each(
    make_jobs: Callable[..., list[Job]], network: Watched, restorer_with: Make
) -> None:
    jobs, restorer = make_jobs((20, 90), (40, 90), (60, 90), (80, 90)), restorer_with(network)
    assert [result.error for result in run(jobs, restorer, RunOptions())] == [None] * 4
    assert [n for n, *_ in network.shapes] == [1] * 4, "nothing is tried that has no company"
    check(jobs, restorer)


def test_grey_deep_and_coloured_ones_may_be_together(
    make_jobs: Callable[..., list[Job]], network: Watched, restorer_with: Make
) -> None:
    jobs, restorer = make_jobs(*[(70, 90)] * 3), restorer_with(network)
    Image.open(jobs[0].source).convert("L").save(jobs[0].source)
    deep = np.asarray(Image.open(jobs[1].source).convert("L"), np.uint16) * 257
    Image.fromarray(deep).save(jobs[1].source)
    assert [result.error for result in run(jobs, restorer, RunOptions())] == [None] * 3
    assert network.calls() == [3]
    check(jobs, restorer)


class Crowded(nn.Module):
    """A network whose sums depend a little on how many pictures it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return 1 - x + 0.002 * len(x)


def test_where_company_changes_a_bit_each_goes_alone(
    make_jobs: Callable[..., list[Job]], restorer_with: Make
) -> None:
    network = Watched(Crowded())
    jobs, restorer = make_jobs(*[(70, 90)] * (GATHERED + 8)), restorer_with(network)
    assert not any(result.error for result in run(jobs, restorer, RunOptions()))
    assert [n for n, *_ in network.shapes] == [8, *[1] * (1 + GATHERED + 8)], "tried only once"
    check(jobs, restorer)


class Fails(nn.Module):
    """Gives the negative, but of pictures with a black corner something that is no number."""

    def forward(self, x: Tensor) -> Tensor:
        black = x[:, :, :1, :1].amax((1, 2, 3), keepdim=True) == 0
        return torch.where(black, torch.nan, 1 - x)


def test_one_that_fails_takes_no_other_with_it(
    make_jobs: Callable[..., list[Job]], restorer_with: Make
) -> None:
    jobs, restorer = make_jobs(*[(70, 90)] * 5), restorer_with(Fails())
    pixels = np.array(Image.open(jobs[2].source))
    pixels[0, 0] = 0
    Image.fromarray(pixels).save(jobs[2].source)
    jobs[3].source.write_bytes(jobs[3].source.read_bytes()[:500])
    results = list(run(jobs, restorer, RunOptions()))
    assert [result.error is None for result in results] == [True, True, False, False, True]
    assert "not finite" in str(results[2].error)
    assert isinstance(results[3].error, PictureError)
    check([jobs[0], jobs[1], jobs[4]], restorer)


@pytest.mark.parametrize("why", ["region", "alpha", "tile", "memory"])
def test_what_needs_more_than_one_look_goes_alone(
    why: str, make_jobs: Callable[..., list[Job]], network: Watched, restorer_with: Make
) -> None:
    jobs, options = make_jobs(*[(70, 90)] * 3), RunOptions()
    restorer = restorer_with(network, **({"tile": 64} if why == "tile" else {}))
    if why == "region":
        options = RunOptions(region=(0, 0, 90, 70))
    elif why == "alpha":
        for job in jobs:
            Image.open(job.source).convert("RGBA").save(job.source)
    elif why == "memory":
        restorer.budget = restorer.plan(70, 90).peak_bytes
    assert not any(result.error for result in run(jobs, restorer, options))
    assert {n for n, *_ in network.shapes} == {1}


def test_an_endless_supply_of_small_ones_is_taken_a_handful_ahead(
    make_jobs: Callable[..., list[Job]], network: Watched, restorer_with: Make, tmp_path: Path
) -> None:
    (job,) = make_jobs((20, 30))
    taken = 0

    def endless() -> Iterator[Job]:
        nonlocal taken
        while True:
            taken += 1
            yield Job(job.source, tmp_path / "out" / f"{taken}.png")

    results = run(endless(), restorer_with(network), RunOptions())
    assert next(results).error is None
    assert taken <= 3 * GATHERED
    results.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert not list((tmp_path / "out").glob("*.part"))


def test_what_the_jobs_end_with_follows_their_results(
    make_jobs: Callable[..., list[Job]], network: Watched, restorer_with: Make
) -> None:
    jobs, seen = make_jobs(*[(20, 30)] * 3), list[Job]()

    def listed() -> Iterator[Job]:
        yield from jobs
        raise UsageError("the list ends badly")

    with pytest.raises(UsageError, match="ends badly"):
        seen.extend(result.job for result in run(listed(), restorer_with(network), RunOptions()))
    assert seen == jobs
