"""What the tests of hyperspectral networks share: their authors' numbers, read beside the checkout.

The numbers are not part of the project: they lie in `../shared/oracles`. Where they do not, the
tests that need them are skipped.
"""

import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from serpent_cli.zoo.hyperspectral_names import translate_hyperspectral

FOLDER = Path(__file__).parents[4] / "shared" / "oracles"


@pytest.fixture(scope="session")
def given() -> Callable[[str], dict[str, Tensor]]:
    """given("cst_sah_msa") -> tensors by name."""

    def read(name: str) -> dict[str, Any]:
        path = FOLDER / f"{name}.npz"
        if not path.is_file():
            pytest.skip(f"the authors' numbers are not here: {path}")
        with np.load(path, allow_pickle=False) as arrays:
            return {
                key: [str(row) for row in arrays[key]]
                if key == "names"
                else torch.from_numpy(arrays[key])
                for key in arrays
            }

    return read


def weights(given, start="w."):
    return {name.removeprefix(start): t for name, t in given.items() if name.startswith(start)}


@pytest.fixture(scope="session")
def filled() -> Callable[..., nn.Module]:
    """filled(kind, module, given): the module in float64 with the oracle's weights."""

    def fill(kind: str, module: nn.Module, given: dict[str, Any]) -> nn.Module:
        theirs = drawn_weights(given["names"]) if "names" in given else weights(given)
        module = module.double().eval()
        module.load_state_dict(translate_hyperspectral(kind, theirs, module.state_dict()))
        return module

    return fill


def drawn_weights(rows: list[str]) -> dict[str, Tensor]:
    """The oracles' rule for the weights of whole networks."""
    named = (re.fullmatch(r"(\S+) \((.*)\)", row).groups() for row in rows)
    shapes = {name: tuple(map(int, s.strip(",").split(","))) for name, s in named}
    return {name: drawn(name, shape) for name, shape in shapes.items()}


def drawn(name: str, shape: tuple[int, ...]) -> Tensor:
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    x = generator.standard_normal(shape)
    last = name.rpartition(".")[2]
    if last in ("A_log", "A_logs", "A_b_log", "A_logs_spectral"):
        x = 0.3 * x
    elif last in ("D", "D_b", "Ds", "Ds_spectral", "fft"):
        x = 1 + 0.2 * x
    elif len(shape) == 1:
        x = 1 + 0.1 * x if name.endswith("weight") else 0.1 * x
    else:
        x = x / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(x)


@pytest.fixture(scope="session")
def random_input() -> Callable[..., Tensor]:
    """random_input(given, "input_seed"): what goes into a whole network."""

    def draw(given: dict[str, Any], seed: str = "input_seed") -> Tensor:
        generator = np.random.Generator(np.random.PCG64(int(given[seed])))
        return torch.from_numpy(generator.random(tuple(given["input_shape"])))

    return draw


@pytest.fixture(scope="session")
def same_output() -> Callable[[Tensor, dict[str, Any]], None]:
    """same_output(y, given): y of a whole network is the oracle's, to 1e-10."""

    def check(y: Tensor, given: dict[str, Any]) -> None:
        assert y.shape == tuple(given["shape"])
        exact = {"atol": 1e-10, "rtol": 0}
        torch.testing.assert_close(y.flatten()[given["at"]], given["values"], **exact)
        torch.testing.assert_close(y.mean(), given["mean"], **exact)
        torch.testing.assert_close(y.std(correction=0), given["std"], **exact)

    return check


@pytest.fixture(scope="session")
def close() -> Callable[[Tensor, Tensor], None]:
    """close(y, expected): equal to 1e-10."""
    return lambda y, expected: torch.testing.assert_close(y, expected, atol=1e-10, rtol=0)


@pytest.fixture(scope="session")
def parameters() -> Callable[[Callable[[], nn.Module]], int]:
    """parameters(make): how many the network has that make() builds."""

    def count(make: Callable[[], nn.Module]) -> int:
        with torch.device("meta"):
            return sum(p.numel() for p in make().parameters())

    return count
