"""Progress inside a forward pass, by layers; it leaves no trace in the result."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from serpent_cli.model import watching
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.limits import flops
from serpent_cli.model.watching import TOKENS, layers, watched


@pytest.fixture(params=["plain", "x8"])
def network(request: pytest.FixtureRequest, network_for: Callable[..., nn.Module]) -> nn.Module:
    scale = 8 if request.param == "x8" else 1
    return network_for(ModelConfig(widths=(8, 16, 16, 24), scale=scale))


def test_shares_rise_to_one_and_bits_stay(network: nn.Module) -> None:
    x, shares = torch.rand(1, 3, 64, 64), list[float]()
    with torch.inference_mode():
        alone = network(x)
        with watched(network, shares.append):
            heard = network(x)
        after = network(x)
    assert torch.equal(alone, heard)
    assert torch.equal(alone, after)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert len(set(shares)) > 8
    assert not [m for m in network.modules() if m._forward_hooks], "the hooks are gone"


def test_costs_are_those_that_planners_count(network: nn.Module) -> None:
    """All multiply-adds but those of the joins, which are told with the layer after them."""
    config = network.config
    side = 8 * config.patch_size  # 64 tokens
    counted = sum(cost for _, cost in layers(network))  # pyright: ignore[reportArgumentType]
    assert TOKENS == 64
    assert 0.9 < counted / flops(config, side, side) <= 1.01


def test_other_networks_are_left_alone() -> None:
    network, shares = nn.Conv2d(3, 3, 1), list[float]()
    with watched(network, shares.append):
        network(torch.rand(1, 3, 8, 8))
        assert not network._forward_hooks
    assert shares == []


@dataclass
class Queue:
    """Stands for a GPU: it is given layers, and does them when it is told to."""

    given: int = 0
    done: int = 0
    fails: bool = False

    def mark(self) -> "Mark":
        self.given += 1
        return Mark(self, self.given)


@dataclass
class Mark:
    queue: Queue
    number: int

    def query(self) -> bool:
        if self.queue.fails:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return self.queue.done >= self.number


def test_a_layer_that_a_device_was_only_given_does_not_count(network: nn.Module) -> None:
    x, shares, queue = torch.rand(1, 3, 64, 64), list[float](), Queue()
    with torch.inference_mode(), watched(network, shares.append, queue.mark) as ask:
        network(x)
        ask()
        assert queue.given == len(layers(network))  # pyright: ignore[reportArgumentType]
        assert shares == [], "all of it is still ahead"
        queue.done = queue.given // 2
        ask()
        ask()
        assert len(shares) == queue.given // 2, "each is told of once"
        assert 0 < shares[-1] < 1
        queue.done = queue.given
        ask()
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_a_device_that_fails_says_so_to_who_waits_for_the_result(network: nn.Module) -> None:
    shares, queue = list[float](), Queue()
    with torch.inference_mode(), watched(network, shares.append, queue.mark) as ask:
        network(torch.rand(1, 3, 64, 64))
        queue.fails = True
        ask()
    assert shares == []


@pytest.mark.parametrize("kind", ["cuda", "xpu", "cpu", "mps"])
def test_devices_that_queue_are_asked_by_their_own_events(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[torch.device] = []

    class Stream:
        def record_event(self) -> str:
            return "event"

    class Streams:
        @staticmethod
        def current_stream(device: torch.device) -> Stream:
            asked.append(device)
            return Stream()

    monkeypatch.setattr(torch, "get_device_module", lambda device: Streams)
    device = torch.device(kind, 0)
    mark = watching._marker(device)
    if kind in ("cpu", "mps"):
        assert mark is None
        return
    assert mark is not None
    assert (mark(), asked) == ("event", [device]), "of the network's device, not of the present one"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU of CUDA")
def test_shares_rise_to_one_on_a_gpu(network: nn.Module) -> None:
    network, shares = network.cuda(), list[float]()
    with torch.inference_mode(), watched(network, shares.append) as ask:
        alone = network(torch.rand(1, 3, 512, 512, device="cuda"))
        torch.cuda.synchronize()
        ask()
    assert alone.isfinite().all()
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
