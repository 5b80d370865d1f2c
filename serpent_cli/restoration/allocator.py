"""Memory that the network frees stays mapped while a picture is restored.

glibc maps every large block anew and hands it back when it is freed: each operation of a network
then pays for fresh, zeroed pages, which on feature maps of a megapixel costs as much time as the
arithmetic (measured: 1.8 instead of 1.2 s per megapixel at 1024 x 1024). Other C libraries are left
alone, and so is the process of a program that uses us as a library (see `settings.own_process`).
"""

import ctypes
import functools
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

import torch

from serpent_cli.settings import process_is_ours

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # keys of mallopt(3)
_REUSE = {_MMAP_MAX: 0, _TRIM_THRESHOLD: -1}
# Where glibc's own moving thresholds end up after one large block was freed.
_USUAL = {_MMAP_MAX: 65536, _MMAP_THRESHOLD: 32 * 2**20, _TRIM_THRESHOLD: 64 * 2**20}

_lock = threading.Lock()
_users = 0


@functools.cache
def _libc() -> ctypes.CDLL | None:
    """The C library if it is glibc, whose allocator can be told."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None


@contextmanager
def reused_memory(*, hand_back: bool) -> Generator[None]:
    """Keep freed memory for the next operation inside a `with` block; blocks may nest.

    Nothing is kept in a process that is not ours.

    Args:
        hand_back: Return what is free to the system at the end; without it, the next block finds
            it again.
    """
    global _users
    libc = _libc() if process_is_ours() else None
    if libc is None:
        yield
        if hand_back:
            return_memory()
        return
    with _lock:
        _users += 1
        _set(libc, _REUSE)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _set(libc, _USUAL)
        if hand_back:
            return_memory()


def return_memory() -> None:
    """Return what is free, on the machine and on an accelerator, to the system."""
    trim()
    if torch.accelerator.is_available():
        torch.accelerator.empty_cache()


def trim() -> None:
    """Return the machine's memory that is free, wherever in the heap it lies."""
    if (libc := _libc()) is not None:
        libc.malloc_trim(0)


def _set(libc: ctypes.CDLL, values: dict[int, int]) -> None:
    for key, value in values.items():
        libc.mallopt(key, value)
