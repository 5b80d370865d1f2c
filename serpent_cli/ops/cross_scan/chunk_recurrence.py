"""One path's recurrence in chunk form, forward and reversed: the loops of the backend `chunked`.

A path of L pixels is cut into chunks of Q. The loop goes over the position inside a chunk and
treats all chunks at once; each chunk's first state then follows from its predecessor's last one
and the decay of a whole chunk, exp(A·Σδ) <= 1, so that nothing is ever divided. README.md derives
it. Layout: (Q, M, features), M chunks of all sequences; a state is (N, M, D): the channels are
innermost, so that every operation of a step runs over contiguous rows.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LOG2_E = math.log2(math.e)
CPU_STEP = 1 << 17  # elements of one state block: large for two threads, small for their L2 caches
DEVICE_STEP = 1 << 24  # elsewhere launches cost more than caches save


@dataclass(frozen=True)
class ChunkedPath:
    """One path of the scan, cut into chunks; all tensors in the type of the computation.

    Attributes:
        u: (Q, M, D), inputs; zero where a chunk is padded.
        delta: (Q, M, D), step sizes.
        b: (Q, M, N), writes u into the state.
        c: (Q, M, N), reads the state; None returns the state itself (N = 1).
        A: (N, 1, D), negative.
        sequences: Sequences that start with h = 0; each has M / sequences chunks.
        reverse: Walk positions and chunks from the last to the first.
    """

    u: Tensor
    delta: Tensor
    b: Tensor
    c: Tensor | None
    A: Tensor
    sequences: int
    reverse: bool

    def first_states(self) -> Tensor:
        """State before each chunk's first position, (N, M, D)."""
        if self._chunks == self.sequences:
            return self._new_state(self._chunks).zero_()
        ends = self._new_state(self._chunks)
        for chunks in self._blocks():
            block = _Block(self, chunks)
            h = torch.zeros_like(block.factor)
            for q in self._positions():
                block.advance(h, q)
            ends[:, chunks] = h
        return self._link(ends, self.reverse)

    def run(self, first: Tensor, y: Tensor) -> None:
        """Add the outputs to y (Q, M, D), given `first_states`."""
        for chunks in self._blocks():
            block, outputs = _Block(self, chunks), y[:, chunks].unbind(0)
            h = first[:, chunks].clone()
            for q in self._positions():
                block.advance(h, q)
                block.observe(h, q, outputs[q])

    def gradients(
        self, first: Tensor, grad_y: Tensor, grad_u: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        """Recompute the states and walk back.

        Args:
            first: What `first_states` gave.
            grad_y: (Q, M, D).
            grad_u: (Q, M, D); this path's part is added.

        Returns:
            Gradients of δ (Q, M, D), b and c (Q, M, N), and A (N, D).
        """
        last = self._last_adjoints(grad_y)
        grad_delta, grad_b = torch.empty_like(self.delta), torch.empty_like(self.b)
        grad_c = None if self.c is None else torch.empty_like(self.c)
        grad_a = self.A.new_zeros(self.A.shape[0], self.A.shape[2])
        for chunks in self._blocks():
            block = _BackwardBlock(self, chunks, grad_y)
            states = block.states(first[:, chunks], self._positions())
            adjoint = last[:, chunks].clone()
            outputs = _BlockGradients(
                grad_u[:, chunks], grad_delta[:, chunks], grad_b[:, chunks],
                None if grad_c is None else grad_c[:, chunks],
            )  # fmt: skip
            before = [first[:, chunks], *(states[q] for q in self._positions()[:-1])]
            for q, h in reversed(list(zip(self._positions(), before, strict=True))):
                block.retreat(adjoint, states[q], h, q, outputs)
            grad_a += block.grad_a.sum(1)
        return grad_delta, grad_b, grad_c, grad_a

    def _last_adjoints(self, grad_y: Tensor) -> Tensor:
        """What flows back into each chunk's last state from its successor, (N, M, D)."""
        if self._chunks == self.sequences:
            return self._new_state(self._chunks).zero_()
        ends = self._new_state(self._chunks)
        for chunks in self._blocks():
            block = _BackwardBlock(self, chunks, grad_y)
            adjoint = torch.zeros_like(block.factor)
            for q in reversed(self._positions()):
                block.receive(adjoint, q)
                adjoint.mul_(block.decay(q))
            ends[:, chunks] = adjoint
        return self._link(ends, not self.reverse)

    def _link(self, ends: Tensor, backwards: bool) -> Tensor:
        """From what each chunk makes of nothing to what each one starts with, (N, M, D)."""
        shape = (ends.shape[0], self.sequences, -1, ends.shape[2])
        decay = torch.exp2(self.delta.sum(0) * (self.A * LOG2_E))
        starts = torch.zeros_like(ends)
        chunks = [x.view(shape).unbind(2) for x in (ends, decay, starts)]
        if backwards:
            chunks = [x[::-1] for x in chunks]
        for (end, factor, start), (_, _, following) in itertools.pairwise(
            zip(*chunks, strict=True)
        ):
            torch.addcmul(end, factor, start, out=following)
        return starts

    @property
    def _chunks(self) -> int:
        return self.u.shape[1]

    def _new_state(self, chunks: int) -> Tensor:
        return self.u.new_empty(self.A.shape[0], chunks, self.u.shape[2])

    def _positions(self) -> range:
        steps = self.u.shape[0]
        return range(steps - 1, -1, -1) if self.reverse else range(steps)

    def _blocks(self) -> Iterator[slice]:
        """Groups of chunks whose state fits the caches."""
        elements = CPU_STEP if self.u.device.type == "cpu" else DEVICE_STEP
        size = max(1, elements // (self.A.shape[0] * self.u.shape[2]))
        for start in range(0, self._chunks, size):
            yield slice(start, min(start + size, self._chunks))


class _Block:
    """A group of chunks: one view for each position, and the scratch of one step."""

    def __init__(self, path: ChunkedPath, chunks: slice) -> None:
        self.u = path.u[:, chunks].unbind(0)
        self.delta = path.delta[:, chunks].unbind(0)
        self.b = _per_state(path.b[:, chunks])
        self.c = None if path.c is None else _per_state(path.c[:, chunks])
        self.rate = path.A * LOG2_E  # exp2 is twice as fast as exp
        self.written = torch.empty_like(self.u[0], memory_format=torch.contiguous_format)
        self.factor = path.A.new_empty(path.A.shape[0], *self.written.shape)

    def decay(self, q: int) -> Tensor:
        """exp(δ·A) at a position, (N, M, D), valid until the next call."""
        return torch.mul(self.delta[q], self.rate, out=self.factor).exp2_()

    def advance(self, h: Tensor, q: int) -> None:
        """One step of h (N, M, D), in place."""
        torch.mul(self.delta[q], self.u[q], out=self.written)
        h.mul_(self.decay(q)).addcmul_(self.written, self.b[q])

    def observe(self, h: Tensor, q: int, y: Tensor) -> None:
        """Add what position q reads from h to y (M, D)."""
        if self.c is None:
            y.add_(h[0])
        elif h.shape[0] == 1:
            y.addcmul_(h[0], self.c[q][0])
        else:
            y.add_(torch.mul(h, self.c[q], out=self.factor).sum(0))


@dataclass(frozen=True)
class _BlockGradients:
    """Where a group of chunks writes its gradients; `u` is added to."""

    u: Tensor
    delta: Tensor
    b: Tensor
    c: Tensor | None


class _BackwardBlock(_Block):
    """A group of chunks on its way back."""

    def __init__(self, path: ChunkedPath, chunks: slice, grad_y: Tensor) -> None:
        super().__init__(path, chunks)
        self.A = path.A
        self.grad_y = grad_y[:, chunks].unbind(0)
        self.grad_a = torch.zeros_like(self.factor)
        self.product = torch.empty_like(self.factor)

    def states(self, first: Tensor, positions: Sequence[int]) -> Tensor:
        """The state after every position, (Q, N, M, D)."""
        kept = first.new_empty(len(self.u), *self.factor.shape)
        h = first.clone()
        for q in positions:
            self.advance(h, q)
            kept[q] = h
        return kept

    def receive(self, adjoint: Tensor, q: int) -> None:
        """Add what y at position q asks of the state to its adjoint (N, M, D)."""
        if self.c is None:
            adjoint[0].add_(self.grad_y[q])
        else:
            adjoint.addcmul_(self.grad_y[q], self.c[q])

    def retreat(
        self, adjoint: Tensor, state: Tensor, before: Tensor, q: int, grads: _BlockGradients
    ) -> None:
        """One step back: all gradients of position q; `adjoint` becomes that of `before`."""
        delta, u = self.delta[q], self.u[q]
        self.receive(adjoint, q)
        if grads.c is not None:
            torch.sum(self._times(state, self.grad_y[q]), 2, out=grads.c[q].t())
        torch.mul(delta, u, out=self.written)
        torch.sum(self._times(adjoint, self.written), 2, out=grads.b[q].t())
        grad_written = self._times(adjoint, self.b[q]).sum(0)
        adjoint.mul_(self.decay(q))
        self._times(adjoint, before)
        self.grad_a.addcmul_(self.product, delta)
        torch.sum(self.product.mul_(self.A), 0, out=grads.delta[q])
        grads.delta[q].addcmul_(grad_written, u)
        grads.u[q].addcmul_(grad_written, delta)

    def _times(self, state: Tensor, factor: Tensor) -> Tensor:
        return torch.mul(state, factor, out=self.product)


def _per_state(x: Tensor) -> tuple[Tensor, ...]:
    """(Q, M, N) as Q views (N, M, 1)."""
    return x.transpose(1, 2).unsqueeze(-1).unbind(0)
