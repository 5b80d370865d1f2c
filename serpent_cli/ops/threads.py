"""Threads for the compiled kernels: torch's own, where they can be had.

A second team of threads beside torch's waits for cores on which torch's idle ones still spin, and
small maps feel it when Python's threads have to be woken. torch's wheels for Linux bring
GNU's OpenMP runtime; its entry point takes any function, and the kernels then run on the threads
that the products before them ran on. Elsewhere Python threads share the work.

How a call is cut into items never depends on the number of threads, and so no result does.
"""

import ctypes
import functools
import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from serpent_cli.ops.library import library

WORTH_A_THREAD = 1 << 15  # elements of a pass that take about as long as waking a thread
ENTRIES = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")


def drive(function: Any, record: ctypes.Structure, items: int, work: int | None = None) -> None:
    """Run all work items of a call on as many threads as torch uses.

    Args:
        function: The library's kernel; takes the record and a range of items.
        record: What the call is about.
        items: How many work items there are.
        work: Elements in all; a few are not worth another thread.
    """
    threads = min(torch.get_num_threads(), items)
    if work is not None:
        threads = min(threads, max(1, work // WORTH_A_THREAD))
    if threads == 1:
        function(ctypes.byref(record), 0, items)
    elif (entries := torch_team()) is not None:
        kernel = ctypes.cast(function, ctypes.c_void_p)
        library().team_run(*entries, kernel, ctypes.byref(record), items, threads)
    else:
        _by_python(function, record, items, threads)


@functools.cache
def torch_team() -> tuple[ctypes.c_void_p, ...] | None:
    """Entry points of the OpenMP runtime inside torch's own folder; None where it has none."""
    for path in sorted(Path(torch.__file__).parent.glob("lib/libgomp*.so*")):
        try:
            runtime = ctypes.CDLL(str(path))  # torch has loaded it: this is the same one
            return tuple(ctypes.cast(getattr(runtime, name), ctypes.c_void_p) for name in ENTRIES)
        except (OSError, AttributeError):
            continue
    return None


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="kernel")


def _by_python(function: Any, record: ctypes.Structure, items: int, threads: int) -> None:
    """Threads of Python: ctypes lets go of the GIL."""
    cuts = [items * i // threads for i in range(threads + 1)]
    (first, last), *others = itertools.pairwise(cuts)
    jobs = [
        _pool(torch.get_num_threads()).submit(function, ctypes.byref(record), *cut)
        for cut in others
    ]
    function(ctypes.byref(record), first, last)
    for job in jobs:
        job.result()
