"""How much time the scans take: a stopwatch that runs only while somebody asks."""

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from typing import TypeVar

import torch

Result = TypeVar("Result")


class Stopwatch:
    """Adds up the seconds of its blocks, which may run in several threads at once.

    On CUDA (code that only a GPU reaches) by a pair of events around each block, which the host
    reads in `take` alone: measuring makes nobody wait. Where the host feeds the GPU too slowly,
    its waiting inside a block counts too. Everywhere else by the host's clock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds = 0.0
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @contextlib.contextmanager
    def running(self, device: torch.device) -> Generator[None]:
        """Within, time counts: the host's, or that of `device`'s current stream."""
        if device.type == "cuda":
            stream = torch.cuda.current_stream(device)
            pair = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            pair[0].record(stream)
            yield
            pair[1].record(stream)
            with self._lock:
                self._events.append(pair)
            return
        begun = time.perf_counter()
        yield
        spent = time.perf_counter() - begun
        with self._lock:
            self._seconds += spent

    def take(self) -> float:
        """Seconds since the last call, summed over threads; on a GPU it waits for the last one."""
        with self._lock:
            seconds, events = self._seconds, self._events
            self._seconds, self._events = 0.0, []
        for begin, end in events:
            end.synchronize()
            seconds += begin.elapsed_time(end) / 1000
        return seconds


_clock: Stopwatch | None = None


@contextlib.contextmanager
def scan_clock() -> Generator[Stopwatch]:
    """Within, every `cross_scan`, forward and backward and in any thread, adds to the stopwatch.

    The backend `reference` is left out: it is no op, but a loop that autograd walks.
    """
    global _clock
    before, clock = _clock, Stopwatch()
    _clock = clock
    try:
        yield clock
    finally:
        _clock = before


def timed(call: Callable[..., Result], device: torch.device, *arguments: object) -> Result:
    """Call, and add the time to the active scan clock, if there is one."""
    if _clock is None:
        return call(*arguments)
    with _clock.running(device):
        return call(*arguments)
