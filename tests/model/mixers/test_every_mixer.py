"""What holds for every mixer: any size, gradients, one result in training and at inference."""

import weakref
from typing import Any, get_args

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from serpent_cli.model.block import Block
from serpent_cli.model.config import Mixer, ModelConfig
from serpent_cli.model.limits import inference_bytes_per_pixel, mixer_macs
from serpent_cli.model.mixers import build_mixer
from serpent_cli.ops.backend import use_backend
from serpent_cli.ops.flops import scan_flops

FORMS: dict[str, dict[str, Any]] = {
    "ss2d": {"state_size": 2},
    "spatial": {},
    "plain": {"state_size": 2},
    "v2m": {"state_size": 2},
    "evssm": {"state_size": 2},
    "mhs": {"state_size": 2, "expand": 1.0, "heads": 4},
}
SIZES = [(1, 1), (1, 5), (4, 1), (2, 3), (5, 4)]
every_mixer = pytest.mark.parametrize("name", get_args(Mixer))


def build(name: str, width: int = 4) -> nn.Module:
    torch.manual_seed(0)
    return build_mixer(ModelConfig(mixer=name, **FORMS[name]), width)  # pyright: ignore


@every_mixer
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_gradients_are_finite_differences(name, size, differentiable, scrambled):
    generator = torch.Generator().manual_seed(1)
    differentiable(scrambled(build(name)), torch.randn(2, *size, 4, generator=generator))


@every_mixer
@pytest.mark.parametrize("size", [*SIZES, (17, 23)], ids=str)
@torch.no_grad()
def test_backends_agree_in_training_and_at_inference(name, size, agree, scrambled):
    module = scrambled(build(name)).double()
    x = torch.randn(2, *size, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    with use_backend("reference"):
        expected = module.train()(x)
    agree(module, x, expected, size=max(1.0, expected.abs().max().item()))


@every_mixer
@torch.no_grad()
def test_pictures_of_a_batch_do_not_meet(name, scrambled):
    module = scrambled(build(name)).double().eval()
    x = torch.randn(3, 5, 6, 4, dtype=torch.float64)
    alone = torch.cat([module(one[None]) for one in x])
    torch.testing.assert_close(module(x), alone, atol=1e-12, rtol=1e-12)


@every_mixer
def test_what_a_mixer_makes_at_inference_does_not_hinder_training(name):
    """Tables kept for a size must be no tensors of inference mode."""
    module, x = build(name), torch.randn(1, 6, 9, 4)
    with torch.inference_mode():
        module.eval()(x)
    module.train()(x).sum().backward()
    assert all(p.grad is not None for p in module.parameters())


@every_mixer
@torch.no_grad()
def test_operations_are_those_that_torch_counts(name):
    assert scan_flops  # imported: it tells torch's counter of our operations
    module = build(name, 8).train()
    with FlopCounterMode(display=False) as counter:
        module(torch.randn(1, 6, 10, 8))
    config = ModelConfig(mixer=name, **FORMS[name])  # pyright: ignore
    counted = counter.get_total_flops() / 2 - EXCESS.get(name, 0) * 60
    assert mixer_macs(config, 8, 60) == pytest.approx(counted, rel=1e-9)


# Of each token; C = 8: Spatial-Mamba's two shared centre taps, for which training computes twice;
# the zeros ahead in V2M's eight causal kernels, 3 of 7.
EXCESS = {"spatial": 2 * 16, "v2m": 8 * 3 * 16}


@every_mixer
@torch.no_grad()
def test_a_silenced_block_is_the_identity(name):
    block = Block(ModelConfig(mixer=name, feed_forward=1.0, **FORMS[name]), 4, 0)  # pyright: ignore
    block.silence()
    x = torch.randn(1, 5, 7, 4)
    assert torch.equal(block(x), x)


class Live(TorchDispatchMode):
    """Within, the bytes of all tensors that are there at once, at their most."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in self.known:
                    self.known.add(storage._cdata)
                    self.now += storage.nbytes()
                    weakref.finalize(storage, self.forget, storage._cdata, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return out

    def forget(self, name: int, count: int) -> None:
        self.known.discard(name)
        self.now -= count


@every_mixer
@pytest.mark.parametrize("width", [8, 64])
@pytest.mark.parametrize("states", [1, 16])
@pytest.mark.parametrize("kind", [None, "mlp", "frequency"])
@torch.no_grad()
def test_a_block_needs_no_more_memory_than_is_planned(name, width, states, kind):
    if name == "spatial" and states > 1:
        pytest.skip("its states are fused one by one")
    sizes = {**FORMS[name], "state_size": states, "widths": (width,) * 4, "patch_size": 1}
    if kind:
        sizes |= {"feed_forward": 3.0, "feed_forward_kind": kind}
    config = ModelConfig(mixer=name, **sizes)  # pyright: ignore
    block = Block(config, width, 0).eval()
    with Live() as live:
        block(torch.randn(1, 64, 64, width))
    planned = inference_bytes_per_pixel(config, torch.float32)
    assert live.peak / 64**2 <= planned
