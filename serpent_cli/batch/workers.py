"""Several restorers at once: one thread each, on a device of its own or on cores of its own."""

import queue
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch

from serpent_cli.batch.naming import Job
from serpent_cli.batch.result import FileResult
from serpent_cli.batch.runner import run
from serpent_cli.batch.stages import RunOptions
from serpent_cli.restoration.restorer import Restorer

_Message = FileResult | BaseException | None


def run_all(
    jobs: Iterable[Job], restorers: Sequence[Restorer], options: RunOptions
) -> Iterator[FileResult]:
    """Restore each picture with whichever restorer is free; see `runner.run`.

    One restorer works in the caller's thread and gives results in order. Several give them as they
    come, and call the options' callbacks from their own threads. CPU cores are shared out evenly.

    Args:
        jobs: What to do.
        restorers: At least one.
        options: What holds for all of them.

    Yields:
        One result per job. Closing the iterator early lets the pictures under way end, and drops
        the rest.
    """
    if len(restorers) == 1:
        yield from run(jobs, restorers[0], options)
        return
    shared, results = _Shared(jobs), queue.Queue[_Message](maxsize=2 * len(restorers))
    workers = [
        threading.Thread(target=_work, args=(shared, restorer, options, results))
        for restorer in restorers
    ]
    with _cores_shared(restorers):
        for worker in workers:
            worker.start()
        try:
            yield from _collect(results, len(workers))
        finally:
            shared.stop()
            while any(worker.is_alive() for worker in workers):  # one may wait to be heard
                _drain(results)
                workers[0].join(0.05)
                workers = workers[1:] + workers[:1]


@contextmanager
def _cores_shared(restorers: Sequence[Restorer]) -> Generator[None]:
    """Within, no operation is spread over cores where other workers are busy."""
    threads = torch.get_num_threads()
    sharing = sum(restorer.device.type == "cpu" for restorer in restorers)
    torch.set_num_threads(max(1, threads // max(1, sharing)))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _work(
    jobs: "_Shared",
    restorer: Restorer,
    options: RunOptions,
    results: "queue.Queue[_Message]",
) -> None:
    """One worker's life; None tells that it has ended."""
    try:
        for result in run(jobs, restorer, options):
            results.put(result)
    except BaseException as error:  # noqa: BLE001 (raised again in the caller's thread)
        results.put(error)
    finally:
        results.put(None)


def _collect(results: "queue.Queue[_Message]", working: int) -> Iterator[FileResult]:
    while working:
        message = results.get()
        if message is None:
            working -= 1
        elif isinstance(message, BaseException):
            raise message
        else:
            yield message


def _drain(results: "queue.Queue[_Message]") -> None:
    while True:
        try:
            results.get_nowait()
        except queue.Empty:
            return


class _Shared:
    """An iterator that several threads may ask, each getting other jobs."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs, self._lock, self._stopped = iter(jobs), threading.Lock(), False

    def __iter__(self) -> Iterator[Job]:
        while True:
            with self._lock:
                job = None if self._stopped else next(self._jobs, None)
            if job is None:
                return
            yield job

    def stop(self) -> None:
        """Give no more jobs."""
        self._stopped = True
