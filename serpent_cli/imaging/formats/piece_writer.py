"""Rows that are encoded in pieces, in threads, while the caller goes on.

However many rows are given at one time, the pieces are the same, and so are the bytes of the file.
"""

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import numpy as np

from serpent_cli.imaging.picture import Samples

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


class PieceWriter(ABC, Generic[Result]):
    """Cuts rows into pieces of one height for a format.

    Args:
        height: Rows of a piece; the last one may have fewer.
        waiting: Most bytes under way.
    """

    def __init__(self, height: int, waiting: int) -> None:
        self._height = height
        self._waiting: list[Samples] = []
        self._pool = InOrder[Result](self._store, waiting)

    def write(self, channels: Samples) -> None:
        """Add rows (h, W, C); the caller may use its array again afterwards."""
        taken = 0
        while taken < len(channels):
            missing = self._height - sum(map(len, self._waiting))
            part = channels[taken : taken + missing]
            taken += len(part)
            if len(part) == missing:
                self._begin([*self._waiting, part])
            else:
                self._waiting.append(part.copy())

    def finish(self) -> None:
        """End the file."""
        if self._waiting:
            self._begin(self._waiting)
        self._pool.finish()
        self._end()

    def cancel(self) -> None:
        """Give up."""
        self._pool.cancel()

    def _begin(self, parts: list[Samples]) -> None:
        self._encode(parts[0] if len(parts) == 1 else np.concatenate(parts))
        self._waiting = []

    @abstractmethod
    def _encode(self, piece: Samples) -> None:
        """Begin to encode a copy of a piece (h, W, C)."""

    @abstractmethod
    def _store(self, result: Result) -> None:
        """Add what was encoded to the file."""

    @abstractmethod
    def _end(self) -> None:
        """Write what stands behind the pieces."""
