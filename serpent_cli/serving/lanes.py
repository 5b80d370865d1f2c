"""Who restores when: one picture on all of torch's threads, or two small ones on one thread each.

Two threads that share a small picture wait for each other at the end of every operation, and each
picture still has work that only one thread does. `python -m bench serve` measures what it is worth:
two at once gave 1.4 times as many pictures of 256 x 256.

Results must not depend on who else asks. In bf16, one thread of two sums in the same order as both.
In fp32 it does not: MKL's products of five to eleven tokens differ, and with four threads most do.
So only pictures in bf16 share, where torch has two threads, and where `same_bits` finds no
difference.
"""

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from serpent_cli.batch.stages import File
    from serpent_cli.restoration.restorer import Restorer

LANES = 2

SHARED_BYTES = 64 * 2**20
"""Pictures whose feature maps take no more than this are small. Of `deblur` these are 380 x 380
pixels; where maps are larger, threads gain little or nothing by having a picture of their own.
"""

TRIED = ((1, 1), (2, 3), (5, 5), (5, 9))
"""Sizes of `same_bits`, in steps of a network's grid: at its coarsest, few tokens to some."""

T = TypeVar("T")


class Lanes:
    """Two threads that compute, and whose turn it is.

    They are always the same two, and only the first computes on all of torch's threads: torch keeps
    idle threads for each thread that has done so, and they wait by spinning.

    Args:
        threads: Torch's.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._lanes = [ThreadPoolExecutor(1, f"lane-{number}") for number in range(LANES)]
        self._turn = threading.Condition()
        self._jobs, self._alone, self._beside = 0, False, False
        self._busy: set[int] = set()

    @property
    def may_share(self) -> bool:
        """Whether there is one thread for each lane."""
        return self.threads == LANES

    @contextmanager
    def job(self) -> Generator[None]:
        """Within, somebody has a picture that is to be decoded, restored and encoded."""
        with self._turn:
            self._jobs += 1
        try:
            yield
        finally:
            with self._turn:
                self._jobs -= 1

    def run(self, work: Callable[[], T], *, small: bool = False) -> T:
        """Do work in its turn, and return what it returns.

        Args:
            work: Done on one thread, beside another job's, if it is small and there are other jobs;
                else by itself, on all threads.
            small: Whether it may be done so.
        """
        lane, threads = self._begin(small=small)
        try:
            return self._lanes[lane].submit(_with_threads, threads, work).result()
        finally:
            with self._turn:
                self._busy.discard(lane)
                self._alone = False
                self._turn.notify_all()

    def _begin(self, *, small: bool) -> tuple[int, int]:
        """Wait for a lane; it and its threads."""
        with self._turn:
            while True:
                if small and self.may_share and self._jobs > 1:
                    if not self._alone and len(self._busy) < LANES:
                        lane, threads = min({*range(LANES)} - self._busy), 1
                        break
                elif not self._busy:
                    lane, threads, self._alone = 0, self.threads, True
                    break
                self._turn.wait()
            self._busy.add(lane)
            if lane:
                self._beside = True
            elif self._alone and not small and self._beside:
                self._hand_back()
            return lane, threads

    def _hand_back(self) -> None:
        """Return what the other lane keeps for its next small picture: nobody has counted it."""
        from serpent_cli.restoration.allocator import trim

        trim()
        self._beside = False


def _with_threads(threads: int, work: Callable[[], T]) -> T:
    """On so many of torch's threads; the number is the calling thread's own."""
    import torch

    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    return work()


def is_small(file: "File") -> bool:
    """Whether a picture may be restored beside another that is small too.

    Memory suffices for any two of them: for each, it suffices for two like it.
    """
    picture, restorer = file.picture, file.restorer
    if picture is None or restorer.device.type != "cpu":
        return False
    if picture.height * picture.width * restorer.costs.bytes_per_pixel > SHARED_BYTES:
        return False
    return file.fits_twice()


def same_bits(restorer: "Restorer") -> bool:
    """Whether one thread gives what all threads give: in bf16, and to the last bit of noise.

    To be asked in a lane that has all threads, which it has again afterwards.
    """
    import torch

    if restorer.device.type != "cpu" or restorer.forward.dtype != torch.bfloat16:
        return False
    threads, step = torch.get_num_threads(), restorer.costs.multiple
    generator = torch.Generator().manual_seed(0)
    given = [torch.rand(1, 3, h * step, w * step, generator=generator) for h, w in TRIED]
    forward = restorer.forward
    together = [forward.run(x, forward.dtype) for x in given]
    torch.set_num_threads(1)
    try:
        return all(
            torch.equal(forward.run(x, forward.dtype), y)
            for x, y in zip(given, together, strict=True)
        )
    finally:
        torch.set_num_threads(threads)
