"""What the tests of mixers share: the authors' numbers, and ways to run a mixer."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from serpent_cli.ops.backend import use_backend

ORACLES = Path(__file__).with_name("oracles")
Oracle = dict[str, Tensor]


def read(name: str) -> Oracle:
    with np.load(ORACLES / f"{name}.npz", allow_pickle=False) as arrays:
        return {
            key: torch.from_numpy(arrays[key]) for key in arrays if arrays[key].dtype.kind != "S"
        }


@pytest.fixture(scope="session")
def oracle() -> Callable[[str], Oracle]:
    """oracle("plain") -> tensors by name."""
    return read


@pytest.fixture(scope="session")
def agree() -> Callable[..., None]:
    """agree(module, x, y): to 1e-10 in float64 by two backends, to 1e-5 in float32 by `native`.

    `size` is what the latter is relative to: 1, unless outputs are larger.
    """

    @torch.no_grad()
    def check(module: nn.Module, x: Tensor, y: Tensor, size: float = 1.0) -> None:
        for training in (True, False):
            module.double().train(training)
            for backend in ("reference", "chunked"):
                with use_backend(backend):
                    torch.testing.assert_close(module(x), y, atol=1e-10, rtol=0)
            with use_backend("native"):
                single = copy.deepcopy(module).float()(x.float())
            torch.testing.assert_close(single.double(), y, atol=1e-5 * size, rtol=0)

    return check


@pytest.fixture(scope="session")
def differentiable() -> Callable[[nn.Module, Tensor], None]:
    """differentiable(module, x): gradients of x and of all parameters are finite differences."""

    def check(module: nn.Module, x: Tensor) -> None:
        module.double().train()
        names, values = zip(*module.named_parameters(), strict=True)

        def call(x: Tensor, *values: Tensor) -> Tensor:
            return torch.func.functional_call(module, dict(zip(names, values, strict=True)), x)

        leaves = [x.double().requires_grad_(), *values]
        with use_backend("chunked"):
            assert torch.autograd.gradcheck(call, leaves, atol=1e-6, fast_mode=True)

    return check


@pytest.fixture(scope="session")
def scrambled() -> Callable[[nn.Module], nn.Module]:
    """scrambled(module): with parameters moved away from their first values, which hide much."""

    @torch.no_grad()
    def scramble(module: nn.Module) -> nn.Module:
        generator = torch.Generator().manual_seed(5)
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
        return module

    return scramble
