"""Whose turn it is to compute: one on all threads, or two small ones on one thread each."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from serpent_cli.errors import SerpentError
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.serving import lanes as lanes_file
from serpent_cli.serving.lanes import SHARED_BYTES, Lanes, is_small, same_bits

SECONDS = 30


class Held:
    """Work that lasts until it is let go."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.threads = 0

    def __call__(self) -> str:
        self.threads = torch.get_num_threads()
        self.begun.set()
        assert self.let_go.wait(SECONDS)
        return threading.current_thread().name


class Place:
    """Lanes, and jobs that come to them in threads of their own."""

    def __init__(self, threads: int) -> None:
        self.lanes, self._pool, self._jobs = Lanes(threads), ThreadPoolExecutor(4), ExitStack()

    def come(self) -> None:
        self._jobs.enter_context(self.lanes.job())

    def send(self, *, small: bool) -> tuple[Held, Future[str]]:
        work = Held()
        return work, self._pool.submit(self.lanes.run, work, small=small)


def begins(work: Held) -> bool:
    return work.begun.wait(SECONDS)


def waits(work: Held) -> bool:
    return not work.begun.wait(0.3)


@pytest.fixture
def jobs_of() -> Callable[[int], Place]:
    """jobs_of(threads) -> lanes at which two jobs are under way."""

    def make(threads: int) -> Place:
        place = Place(threads)
        place.come()
        place.come()
        return place

    return make


def test_two_small_pictures_have_a_thread_each(jobs_of: Callable[[int], Place]) -> None:
    place = jobs_of(2)
    (first, one), (second, two) = place.send(small=True), place.send(small=True)
    assert begins(first) and begins(second)
    assert (first.threads, second.threads) == (1, 1)
    first.let_go.set()
    second.let_go.set()
    assert {one.result(), two.result()} == {"lane-0_0", "lane-1_0"}


def test_one_alone_has_all_threads() -> None:
    place = Place(2)
    place.come()
    work, done = place.send(small=True)
    assert begins(work)
    assert work.threads == 2
    # Another that comes now waits for it; nobody's threads change under their hands.
    place.come()
    late, _ = place.send(small=True)
    assert waits(late)
    work.let_go.set()
    assert done.result() == "lane-0_0"
    assert begins(late)
    assert late.threads == 1
    late.let_go.set()


@pytest.mark.parametrize("large_first", [True, False])
def test_a_large_one_is_by_itself(jobs_of: Callable[[int], Place], large_first: bool) -> None:
    place = jobs_of(2)
    first, _ = place.send(small=not large_first)
    assert begins(first)
    second, done = place.send(small=large_first)
    assert waits(second)
    first.let_go.set()
    assert begins(second)
    large = first if large_first else second
    assert large.threads == 2
    second.let_go.set()
    assert done.result().startswith("lane-")


def test_with_more_threads_than_two_none_is_shared(jobs_of: Callable[[int], Place]) -> None:
    """With two of four threads products are added up in another order."""
    place = jobs_of(4)
    first, _ = place.send(small=True)
    assert begins(first)
    second, _ = place.send(small=True)
    assert waits(second)
    for work in (first, second):
        work.let_go.set()
    assert begins(second)
    assert second.threads == 4


def test_work_that_fails_leaves_its_lane(jobs_of: Callable[[int], Place]) -> None:
    place = jobs_of(2)

    def fail() -> None:
        raise SerpentError("it is bad")

    for small in (True, False, True):
        with pytest.raises(SerpentError, match="it is bad"):
            place.lanes.run(fail, small=small)
    assert place.lanes.run(lambda: 7, small=True) == 7


def test_a_large_one_finds_the_memory_of_the_other_lane(
    jobs_of: Callable[[int], Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    trims: list[int] = []
    monkeypatch.setattr("serpent_cli.restoration.allocator.trim", lambda: trims.append(1))
    place = jobs_of(2)
    place.lanes.run(lambda: None)
    assert trims == []
    pair = [place.send(small=True) for _ in range(2)]
    assert all(begins(work) for work, _ in pair)
    for work, done in pair:
        work.let_go.set()
        done.result()
    for _ in range(2):
        place.lanes.run(lambda: None)
        assert trims == [1]  # once: nothing has been beside it since


class Stand:
    """What `is_small` asks of a file."""

    def __init__(self, side: int, device: str, fits: bool) -> None:
        self.picture = torch.empty(side, side)
        self.picture.height = self.picture.width = side  # type: ignore[attr-defined]
        self.restorer: Any = type("", (), {})()
        self.restorer.device = torch.device(device)
        self.restorer.costs = type("", (), {"bytes_per_pixel": 464.0})()
        self._fits = fits

    def fits_twice(self) -> bool:
        return self._fits


@pytest.mark.parametrize(
    ("side", "device", "fits", "small"),
    [
        (380, "cpu", True, True),
        (381, "cpu", True, False),
        (256, "cpu", False, False),
        (256, "meta", True, False),
    ],
)
def test_what_is_small(side: int, device: str, fits: bool, small: bool) -> None:
    file: Any = Stand(side, device, fits)
    assert is_small(file) is small
    assert 380**2 * 464 <= SHARED_BYTES < 381**2 * 464


@pytest.fixture
def two_threads() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("model", ["deblur", "upscale-x4"])
def test_one_thread_gives_the_bits_of_two(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    restorer = Restorer.from_pretrained(model, precision="bf16", device="cpu")
    if not same_bits(restorer):
        pytest.skip("this processor's sums in bf16 depend on the threads: it restores in turn")
    # What was tried speaks for other sizes too.
    monkeypatch.setattr(lanes_file, "TRIED", ((1, 7), (3, 7), (6, 11)))
    assert same_bits(restorer)
    assert torch.get_num_threads() == 2
    # And it would say so if they were others.
    run = restorer.forward.run
    monkeypatch.setattr(
        restorer.forward, "run", lambda x, dtype: run(x, dtype) * torch.get_num_threads()
    )
    assert not same_bits(restorer)


@pytest.mark.usefixtures("two_threads")
def test_in_fp32_none_is_shared(make_weights: Callable[..., Path]) -> None:
    """Its products depend on the number of threads."""
    assert not same_bits(Restorer.from_pretrained(str(make_weights()), precision="fp32"))
