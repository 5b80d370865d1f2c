"""The clock counts scans, forward and backward, in any thread, and nothing else."""

import threading
import time

import pytest
import torch
from torch import Tensor

from serpent_cli.ops.clock import Stopwatch, scan_clock, timed
from serpent_cli.ops.cross_scan import cross_scan

CPU = torch.device("cpu")


def scan() -> Tensor:
    u = torch.rand(1, 8, 8, 4, requires_grad=True)
    dbc, weight = torch.rand(1, 8, 8, 4, 3), torch.rand(4, 1, 4)
    return cross_scan(u, dbc, weight, torch.zeros(4, 4), torch.zeros(4, 4, 1))


def test_forward_and_backward_count() -> None:
    with scan_clock() as clock:
        begun = time.perf_counter()
        y = scan()
        forward = clock.take()
        torch.rand(4).exp()
        assert clock.take() == 0
        y.sum().backward()
        backward = clock.take()
        assert forward > 0
        assert backward > 0
        assert forward + backward < time.perf_counter() - begun


def test_outside_nothing_counts() -> None:
    with scan_clock() as clock:
        pass
    scan()
    assert clock.take() == 0


def test_an_inner_clock_gives_back_to_the_outer_one() -> None:
    with scan_clock() as outer:
        with pytest.raises(KeyError), scan_clock():
            raise KeyError
        scan()
        assert outer.take() > 0


def test_threads_add_up() -> None:
    together = threading.Barrier(3)

    def work() -> None:
        together.wait()
        timed(time.sleep, CPU, 0.1)

    with scan_clock() as clock:
        begun = time.perf_counter()
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert clock.take() >= 0.3
        assert time.perf_counter() - begun < 0.3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU of CUDA")
def test_a_gpu_is_timed_by_events() -> None:
    watch, device = Stopwatch(), torch.device("cuda")
    big = torch.rand(4096, 4096, device=device)
    with watch.running(device):
        for _ in range(20):
            big @ big
    issued = watch.take()
    torch.cuda.synchronize()
    assert issued > 20 * 2 * 4096**3 / 1e15  # no GPU does 1e15 fp32 operations per second
