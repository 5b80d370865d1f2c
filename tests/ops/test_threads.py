"""Threads of the compiled kernels: torch's own where they can be had, Python's elsewhere."""

import ctypes
import os
import sys

import pytest
import torch

from serpent_cli.ops import threads
from serpent_cli.ops.cross_scan import cross_scan, native

pytestmark = pytest.mark.skipif(native.unavailable() is not None, reason="no compiled kernel")


@pytest.fixture
def two_threads():
    """Torch with two threads, undone after the test."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def scan() -> list[torch.Tensor]:
    """One scan of a map with its gradients."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((1, 9, 11, 70), (1, 9, 11, 2, 5), (2, 3, 70), (2, 70), (2, 70, 1), (2, 70))
    leaves = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]
    y = cross_scan(*leaves, paths=("row", "col"), backend="native")
    return [y.detach(), *torch.autograd.grad(y.sum(), leaves)]


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("found", [True, False], ids=["torch's", "Python's"])
def test_whose_threads_they_are_changes_no_bit(found, monkeypatch):
    if found and threads.torch_team() is None:
        pytest.skip("this torch brings no OpenMP runtime of GNU's")
    if not found:
        monkeypatch.setattr(threads, "torch_team", lambda: None)
    shared = scan()
    torch.set_num_threads(1)
    assert all(map(torch.equal, shared, scan()))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts threads in /proc")
@pytest.mark.usefixtures("two_threads")
def test_no_thread_is_begun_beside_torchs():
    if threads.torch_team() is None:
        pytest.skip("this torch brings no OpenMP runtime of GNU's")
    torch.randn(1 << 20).exp_()  # wakes torch's
    before = set(os.listdir("/proc/self/task"))
    scan()
    assert set(os.listdir("/proc/self/task")) == before


@pytest.mark.usefixtures("two_threads")
def test_every_item_is_run_once_whatever_the_number_of_threads(monkeypatch):
    seen: list[range] = []
    kernel = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(
        lambda _, first, last: seen.append(range(first, last))
    )
    for team in (threads.torch_team, lambda: None):
        monkeypatch.setattr(threads, "torch_team", team)
        for items in (1, 2, 3, 7):
            seen.clear()
            threads.drive(kernel, ctypes.c_int64(), items)
            assert sorted(item for part in seen for item in part) == list(range(items))
