import time
from collections.abc import Iterator

import pytest
import torch

from serpent_cli.errors import DeviceError, UsageError
from serpent_cli.restoration.device import (
    choose_device,
    choose_precision,
    cpu_is_faster_in_bf16,
    device_memory,
    use_threads,
)

CPU = torch.device("cpu")


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in {"cpu", "cuda", "mps", "xpu"}


def test_threads_are_as_demanded_or_left_alone() -> None:
    before = torch.get_num_threads()
    try:
        use_threads(before + 1)
        assert torch.get_num_threads() == before + 1
        use_threads(None)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_auto_falls_back_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: None)
    assert choose_device("auto") == torch.device("cpu")


@pytest.mark.parametrize(("kind", "expected"), [("cuda", "cuda:0"), ("mps", "mps")])
def test_auto_takes_the_accelerator(
    kind: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = torch.device(kind)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: found)
    assert choose_device("auto") == torch.device(expected)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps", "xpu"])
def test_a_forced_device_never_falls_back(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = name.partition(":")[0]
    monkeypatch.setattr(getattr(torch, kind), "device_count", lambda: 0)
    with pytest.raises(DeviceError, match=f"the device {name} is not available") as caught:
        choose_device(name)
    assert caught.value.exit_code == 5
    assert "--device" in str(caught.value.hint)


def test_an_index_counts_from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    assert choose_device("cuda") == torch.device("cuda", 0)
    with pytest.raises(DeviceError, match=r"only 2 CUDA GPUs found, counted from cuda:0"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "cuda:-1", "meta", "CPU"])
def test_unknown_devices(name: str) -> None:
    with pytest.raises(DeviceError):
        choose_device(name)


@pytest.fixture
def untried() -> Iterator[None]:
    cpu_is_faster_in_bf16.cache_clear()
    yield
    cpu_is_faster_in_bf16.cache_clear()


@pytest.mark.usefixtures("untried")
@pytest.mark.parametrize("flag", ["amx_bf16", "avx512_bf16"])
@pytest.mark.parametrize(("slower", "expected"), [(2.0, torch.float32), (0.5, torch.bfloat16)])
def test_a_cpu_is_tried_where_it_has_the_instructions(
    flag: str, slower: float, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]

    def product(tokens: torch.Tensor, weight: torch.Tensor) -> None:
        del weight
        assert torch.get_num_threads() == 1  # several wait for each other, late at random
        clock[0] += slower if tokens.dtype == torch.bfloat16 else 1.0

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {flag: True}, raising=False)
    monkeypatch.setattr(torch, "mm", product)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    threads = torch.get_num_threads()
    assert choose_precision("auto", CPU) == expected
    assert torch.get_num_threads() == threads


@pytest.mark.usefixtures("untried")
def test_a_cpu_without_the_instructions_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    monkeypatch.setattr(torch, "mm", None)
    assert choose_precision("auto", CPU) == torch.float32


def test_precision_is_what_the_hardware_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_precision("bf16", CPU) == torch.bfloat16
    for native, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda native=native, **_: native)
        assert choose_precision("auto", torch.device("cuda")) == expected
        assert choose_precision("fp32", torch.device("cuda")) == torch.float32
    with pytest.raises(UsageError, match="--precision fp8 is not"):
        choose_precision("fp8", CPU)


def test_a_cpu_has_no_memory_of_its_own() -> None:
    assert device_memory(CPU) is None
