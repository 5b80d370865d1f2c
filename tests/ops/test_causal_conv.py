"""Causal convolutions along lines, against sums; causal-conv1d's, by a stand-in."""

import importlib.machinery
import sys
from types import ModuleType

import pytest
import torch
from torch.nn import functional

from serpent_cli.ops import causal_conv as module
from serpent_cli.ops.causal_conv import PATHS, causal_conv, ours, theirs, unavailable


def by_sums(x, weight, bias, path):
    """Written out, one line of a picture after the other."""
    lines = x if path.startswith("row") else x.transpose(1, 2)
    if path.endswith("_rev"):
        lines = lines.flip(2)
    y = torch.zeros_like(lines) + bias
    taps = weight.shape[2]
    for t in range(lines.shape[2]):
        for j in range(taps):
            if (s := t - taps + 1 + j) >= 0:
                y[:, :, t] += weight[:, 0, j] * lines[:, :, s]
    if path.endswith("_rev"):
        y = y.flip(2)
    return y if path.startswith("row") else y.transpose(1, 2)


def arguments(height=5, width=6):
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, height, width, 8), (8, 1, 4), (8,))
    return [torch.randn(*s, dtype=torch.float64, generator=generator) for s in shapes]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("size", [(5, 6), (1, 1), (2, 9)])
def test_it_is_its_sum(path, size):
    given = arguments(*size)
    y = causal_conv(*given, path)
    torch.testing.assert_close(y, by_sums(*given, path), atol=1e-12, rtol=0)
    assert y.is_contiguous()


def test_other_ways_are_refused():
    with pytest.raises(ValueError, match="row_snake"):
        causal_conv(*arguments(), "row_snake")


def stand_in(monkeypatch, function):
    """Install a causal-conv1d whose function is `function`."""
    package = ModuleType("causal_conv1d")
    package.__spec__ = importlib.machinery.ModuleSpec("causal_conv1d", None)
    package.causal_conv1d_fn = function
    monkeypatch.setitem(sys.modules, "causal_conv1d", package)
    unavailable.cache_clear()


@pytest.fixture(autouse=True)
def forgotten():
    yield
    unavailable.cache_clear()


def contract(x, weight, bias):
    """causal_conv1d_fn as published: (b, D, L) with channels side by side, weight (D, T)."""
    assert x.stride(1) == 1
    assert x.shape[1] % 8 == 0
    assert (weight.dtype, bias.dtype, weight.ndim) == (x.dtype, x.dtype, 2)
    taps = weight.shape[1]
    padded = functional.pad(x, (taps - 1, 0))
    return functional.conv1d(padded, weight[:, None], bias, groups=len(weight))


@pytest.mark.parametrize("path", PATHS)
def test_their_kernel_gives_the_same(path, monkeypatch):
    stand_in(monkeypatch, contract)
    given = arguments()
    assert unavailable("cpu") is None
    torch.testing.assert_close(theirs(*given, path), ours(*given, path))


def test_a_kernel_that_fails_its_trial_is_not_used(monkeypatch):
    stand_in(monkeypatch, lambda x, weight, bias: contract(x, weight, bias) + 1)
    assert unavailable("cpu") == "its self-test gave a wrong result"

    def broken(*_):
        raise RuntimeError("no kernel image\nfor this device")

    stand_in(monkeypatch, broken)
    assert unavailable("cpu") == "its self-test failed: RuntimeError: no kernel image"


def test_without_it_torch_serves():
    assert module.importlib.util.find_spec("causal_conv1d") is None
    assert unavailable() == "causal-conv1d is not installed"
