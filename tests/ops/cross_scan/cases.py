"""Inputs for tests of `cross_scan`, with the shapes and magnitudes of real ones."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from serpent_cli.ops.cross_scan import cross_scan

FOUR = ("row", "col", "row_rev", "col_rev")
Inputs = tuple[Tensor | None, ...]


@dataclass(frozen=True)
class Case:
    """One call: sizes (the letters of the op) and options."""

    B: int = 2
    H: int = 7
    W: int = 9
    D: int = 5
    N: int = 3
    R: int = 2
    paths: tuple[str, ...] = FOUR
    reset: bool = False
    observe: bool = True
    skip: bool = True

    def __str__(self) -> str:
        flags = [name for name in ("reset", "observe", "skip") if getattr(self, name)]
        sizes = f"{self.B}x{self.H}x{self.W}x{self.D}-N{self.N}-R{self.R}"
        return "-".join([sizes, "+".join(self.paths), *flags])

    def inputs(self, dtype: torch.dtype = torch.float64, seed: int = 0) -> Inputs:
        """u, dbc, dt_weight, dt_bias, A_log, D_skip; parameters are fp32 beside short floats."""
        g = torch.Generator().manual_seed(seed)
        k, parameters = len(self.paths), torch.float32 if dtype.itemsize < 8 else dtype

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=g, dtype=torch.float64)

        features = self.R + (2 if self.observe else 1) * self.N
        decays = torch.arange(1, self.N + 1, dtype=torch.float64).log()
        return (
            normal(self.B, self.H, self.W, self.D).to(dtype),
            normal(self.B, self.H, self.W, k, features).to(dtype),
            (normal(k, self.R, self.D) * self.R**-0.5).to(parameters),
            (normal(k, self.D) - 2).to(parameters),
            (decays + 0.3 * normal(k, self.D, self.N)).to(parameters),
            (1 + normal(k, self.D)).to(parameters) if self.skip and self.observe else None,
        )

    def run(self, inputs: Inputs, backend: str | None, **options: object) -> Tensor:
        return cross_scan(
            *inputs, paths=self.paths, reset=self.reset, observe=self.observe, backend=backend,
            **options,
        )  # type: ignore[arg-type]  # fmt: skip

    def weights(self) -> Tensor:
        """The gradient of y: of 8 bits, so that it is the same in every type."""
        g = torch.Generator().manual_seed(1)
        return torch.randn(self.B, self.H, self.W, self.D, generator=g).bfloat16()

    def with_gradients(
        self, inputs: Inputs, backend: str, device: str = "cpu", **options: object
    ) -> tuple[Tensor, list[Tensor]]:
        """Y, and the gradients of all inputs for `weights` as y's; computed on `device`."""
        leaves = [
            None if x is None else x.detach().clone().to(device).requires_grad_() for x in inputs
        ]
        y = self.run(tuple(leaves), backend, **options)
        y.backward(self.weights().to(device, y.dtype))
        grads = [x.grad for x in leaves if x is not None and x.grad is not None]
        return y.detach().cpu(), [grad.cpu() for grad in grads]


def exact(inputs: Inputs) -> Inputs:
    """The same numbers in float64."""
    return tuple(None if x is None else x.double() for x in inputs)


SIZES = ((1, 1), (1, 7), (5, 1), (7, 9), (16, 16))
SNAKES = ("row_snake", "col_snake", "row_snake_rev", "col_snake_rev")
CASES = (
    *(Case(H=h, W=w, paths=paths) for h, w in SIZES for paths in (FOUR, SNAKES)),
    *(Case(paths=paths) for paths in (("col",), ("row", "row"), ("col_rev", "row", "row_snake"))),
    *(Case(H=h, W=w, reset=True, paths=paths) for h, w in SIZES for paths in (FOUR, SNAKES)),
    *(Case(N=1, observe=False, reset=reset, paths=FOUR[:2]) for reset in (False, True)),
    *(Case(H=5, W=6, paths=(path,)) for path in (*FOUR, *SNAKES) if path != "col"),
    Case(N=1, skip=False),
    replace(Case(B=1, H=5, W=6, D=40, N=16, R=3), paths=("row", "col_rev")),
    Case(B=1, H=2, W=520, D=8, N=2, R=1, reset=True, paths=("row",)),
    Case(B=1, H=9, W=8, D=44, N=2, R=4, paths=("row_snake", "col_rev", "row")),
    Case(B=1, H=3, W=4, D=8, N=64, R=1, paths=("col",)),
    Case(B=1, H=2, W=3, D=1, N=1, R=1, paths=("row",)),
    Case(B=3, H=4, W=4, D=33, N=4, R=4, paths=("row_rev", "col")),
)
