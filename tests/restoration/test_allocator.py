import resource
import subprocess
import sys

import pytest
import torch

from serpent_cli.restoration import allocator
from serpent_cli.restoration.allocator import return_memory, reused_memory
from serpent_cli.settings import own_process

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


def alone(check: str) -> None:
    """Run a check of this file in a process of its own: another test's free blocks would serve."""
    code = f"import runpy; runpy.run_path({__file__!r})[{check!r}]()"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@glibc
@pytest.mark.parametrize(
    "check",
    [
        "freed_memory_is_used_again",
        "left_memory_can_be_returned",
        "a_process_that_is_not_ours_is_left_alone",
    ],
)
def test_memory_in_a_fresh_process(check: str) -> None:
    alone(check)


def freed_memory_is_used_again() -> None:
    own_process()
    fresh = touched()
    before = resident()
    with reused_memory(hand_back=True), reused_memory(hand_back=False):
        touched()
        kept = resident()
        second = touched()
    # The system has cleared every page once; the maps that follow cost nothing.
    assert second < fresh / 20
    assert kept > before + BYTES * 0.9
    assert resident() < before + BYTES * 0.5


def left_memory_can_be_returned() -> None:
    own_process()
    with reused_memory(hand_back=False):
        touched()
    kept = resident()
    return_memory()
    assert resident() < kept - BYTES * 0.5


def a_process_that_is_not_ours_is_left_alone() -> None:
    fresh = touched()
    with reused_memory(hand_back=False):
        touched()
        second = touched()
    assert second > fresh / 2


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
