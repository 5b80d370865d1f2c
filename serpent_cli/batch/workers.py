"""Several restorers at once: one thread each, on a device of its own or on cores of its own."""

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager

import torch

from serpent_cli.batch.naming import Job
from serpent_cli.batch.result import FileResult
from serpent_cli.batch.runner import run
from serpent_cli.batch.stages import RunOptions
from serpent_cli.restoration.restorer import Restorer


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
    shared = _Shared(jobs)
    under_way: dict[Future[FileResult | None], tuple[ThreadPoolExecutor, Iterator[FileResult]]] = {}
    with _cores_shared(restorers), ExitStack() as stack:

        def go_on(worker: ThreadPoolExecutor, results: Iterator[FileResult]) -> None:
            under_way[worker.submit(next, results, None)] = worker, results

        try:
            for restorer in restorers:
                worker = stack.enter_context(ThreadPoolExecutor(1))
                go_on(worker, run(shared, restorer, options))
            while under_way:
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    worker, results = under_way.pop(future)
                    if (result := future.result()) is not None:
                        go_on(worker, results)
                        yield result
        finally:
            shared.stop()
            for worker, results in under_way.values():
                worker.submit(deque[FileResult], results, 0)  # to its end


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
