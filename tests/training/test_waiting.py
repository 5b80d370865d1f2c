"""A step never asks for a value that lies on the device: the host would wait for it."""

from pathlib import Path
from typing import Any

import pytest
import skimage.data
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from serpent_cli.training.loop import Trainer
from serpent_cli.training.recipe import parse_recipe

RECIPE: dict[str, Any] = {
    "name": "small",
    "description": "For tests.",
    "model": {"widths": [8, 8, 8, 8]},
    "degrade": {"task": "deblur", "jpeg_share": 1.0},
    "data": {"crop": 16, "halo": 8, "batch": 4},
}


class NoWaiting(TorchDispatchMode):
    """Refuses the operations that bring a value of a tensor to the host."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        name = func.overloadpacket.__name__
        assert name not in ("_local_scalar_dense", "nonzero", "is_nonzero", "equal"), name
        return func(*args, **(kwargs or {}))


def trainer(out: Path, device: str) -> Trainer:
    photos = [torch.from_numpy(skimage.data.astronaut()[:128, :160].copy())]
    return Trainer(parse_recipe(RECIPE), photos, out, torch.device(device))


def test_the_check_finds_what_waits() -> None:
    with NoWaiting(), pytest.raises(AssertionError, match="_local_scalar_dense"):
        float(torch.ones(()))


def test_a_step_brings_nothing_to_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # the check sees its own thread only
    run = trainer(tmp_path, "cpu")
    degraded, target = run.batch()
    run.step(degraded, target)  # creates the optimizer's state
    with NoWaiting():
        run.step(degraded, target)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU of CUDA")
def test_a_gpu_s_batch_and_step_wait_for_nothing(tmp_path: Path) -> None:
    run = trainer(tmp_path, "cuda")
    run.step(*run.batch())
    torch.cuda.set_sync_debug_mode("error")
    try:
        run.step(*run.batch())
    finally:
        torch.cuda.set_sync_debug_mode("default")
