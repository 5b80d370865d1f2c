"""Encoding in threads while the caller goes on, the results handed over in the order given."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

MOST_THREADS = 4
"""More encode faster than a disk writes."""

Result = TypeVar("Result")


class InOrder(Generic[Result]):
    """Runs tasks that let go of the interpreter's lock.

    Args:
        deliver: Takes each result, in the caller's thread.
        waiting: Most bytes under way; beyond that, `put` waits.
    """

    def __init__(self, deliver: Callable[[Result], None], waiting: int) -> None:
        self._deliver, self._waiting, self._bytes = deliver, waiting, 0
        self._pool = ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1))
        self._under_way: deque[tuple[Future[Result], int]] = deque()

    def put(self, task: Callable[[], Result], size: int) -> None:
        """Begin a task that holds `size` bytes, and deliver what is done.

        Raises:
            Exception: What an earlier task, or delivering its result, raised.
        """
        self._under_way.append((self._pool.submit(task), size))
        self._bytes += size
        while self._under_way and (self._bytes > self._waiting or self._under_way[0][0].done()):
            self._deliver_first()

    def finish(self) -> None:
        """Deliver everything."""
        while self._under_way:
            self._deliver_first()
        self._pool.shutdown()

    def cancel(self) -> None:
        """Drop what has not begun, and wait for what has."""
        self._under_way.clear()
        self._pool.shutdown(cancel_futures=True)

    def _deliver_first(self) -> None:
        future, size = self._under_way.popleft()
        self._bytes -= size
        self._deliver(future.result())
