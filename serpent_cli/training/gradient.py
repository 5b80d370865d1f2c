"""The loss of a batch and its gradient, with the crops shared out among a CPU's cores.

One core per share beats many cores per operation: the operations of a small crop are over before a
second core has joined in, while whole crops never wait for each other.
"""

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]
X = TypeVar("X")
Y = TypeVar("Y")


class Map(Protocol):
    """`map`, or what a thread pool has of that name."""

    def __call__(self, function: Callable[[X], Y], over: Iterable[X], /) -> Iterator[Y]:
        """The results, in the order of what they are of."""
        ...


class BatchGradient:
    """Computes the mean loss of a batch and adds nothing but its gradient to the parameters.

    Args:
        loss: Mean loss of degraded crops (B, 3, h, w) against sharp ones (B, 3, H, W).
        parameters: What is differentiated; each gets a fresh `.grad`.
        workers: Threads that share the crops. The result depends on it by rounding only, and not on
            which thread is faster.
        rounds: Micro-batches that follow each other, for less memory; they too change no more than
            the rounding.

    Attributes:
        map: Calls a function with each of several things, on the cores that share the crops.
    """

    def __init__(
        self, loss: Loss, parameters: Sequence[Tensor], workers: int, rounds: int = 1
    ) -> None:
        self.loss, self.parameters = loss, list(parameters)
        self.workers, self.rounds = workers, rounds
        self.map: Map = ThreadPoolExecutor(workers, "gradient").map if workers > 1 else map

    def __call__(self, degraded: Tensor, target: Tensor) -> Tensor:
        """Set the gradient of the batch's mean loss, which is returned, detached."""
        count, shares = len(target), self.workers * self.rounds
        cuts = [count * i // shares for i in range(shares + 1)]
        pieces = [slice(a, b) for a, b in itertools.pairwise(cuts) if a < b]

        def share(piece: slice) -> tuple[Tensor, tuple[Tensor, ...]]:
            part = target[piece]
            value = self.loss(degraded[piece], part) * (len(part) / count)
            return value.detach(), torch.autograd.grad(value, self.parameters)

        # Added up in their order, as they come: none is kept for longer.
        results = self.map(share, pieces)
        total, first = next(results)
        for parameter, gradient in zip(self.parameters, first, strict=True):
            # Laid out as its parameter: fused optimizers take that for granted, autograd does not.
            parameter.grad = torch.empty_like(parameter).copy_(gradient)
        for value, gradients in results:
            total += value
            for parameter, gradient in zip(self.parameters, gradients, strict=True):
                assert parameter.grad is not None
                parameter.grad += gradient
        return total

    @contextlib.contextmanager
    def one_core_per_share(self) -> Generator[None]:
        """Within, no operation is spread over cores that have shares of their own."""
        threads = torch.get_num_threads()
        if self.workers > 1:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
