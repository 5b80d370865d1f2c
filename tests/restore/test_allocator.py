import resource
import sys

import pytest
import torch

from serpent_cli.restore import allocator
from serpent_cli.restore.allocator import return_memory, reused_memory

glibc = pytest.mark.skipif(
    sys.platform != "linux" or allocator._libc() is None, reason="only glibc can be told"
)
BYTES = 96 * 2**20


def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def touched() -> int:
    """Page faults of ten feature maps, made and freed one after the other."""
    before = faults()
    for _ in range(10):
        torch.ones(BYTES // 4)
    return faults() - before


def resident() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


@glibc
def test_freed_memory_is_used_again_and_returned_in_the_end() -> None:
    fresh = touched()
    before = resident()
    with reused_memory(hand_back=True), reused_memory(hand_back=False):
        first, kept = touched(), resident()
        second = touched()
    # The system clears every page of the first map; the nine that follow cost nothing.
    assert second < fresh / 20
    assert first < fresh / 5
    assert kept > before + BYTES * 0.9
    assert resident() < before + BYTES * 0.5


@glibc
def test_memory_left_for_the_next_block_can_be_returned() -> None:
    with reused_memory(hand_back=False):
        touched()
    kept = resident()
    return_memory()
    assert resident() < kept - BYTES * 0.5


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "_libc", lambda: None)
    with reused_memory(hand_back=True):
        assert torch.ones(3).sum() == 3
    return_memory()
    monkeypatch.undo()
    allocator._libc.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert allocator._libc() is None
    allocator._libc.cache_clear()
