"""Networks that fail: not finite, flat, out of memory."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from serpent_cli.errors import PictureError, SerpentError
from serpent_cli.imaging.picture import Picture
from serpent_cli.restoration.restorer import Restorer

Make = Callable[..., Restorer]
Photo = NDArray[np.uint8]
CPU_MESSAGE = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."


class Returns(nn.Module):
    """Maps x by a function that a test gives, and counts its calls."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function, self.calls = function, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.function(x)


def spoiled(x: Tensor, value: float) -> Tensor:
    x = x.clone()
    x[0, 1, 2, 3] = value
    return x


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_an_output_that_is_not_finite_is_an_error(
    value: float, restorer_with: Make, photo: Photo
) -> None:
    network = Returns(lambda x: spoiled(x, value))
    with pytest.raises(PictureError, match="unusable result: it is not finite") as caught:
        restorer_with(network).restore(Picture(photo))
    assert caught.value.hint
    assert network.calls == 1, "fp32 is not tried twice"


def test_a_flat_output_of_a_varied_input_is_an_error(restorer_with: Make, photo: Photo) -> None:
    restorer = restorer_with(Returns(lambda x: torch.full_like(x, 0.5)))
    with pytest.raises(PictureError, match="it is constant where the picture is not"):
        restorer.restore(Picture(photo))


def test_a_flat_output_of_a_flat_input_is_right(restorer_with: Make) -> None:
    flat = np.full((20, 30, 3), 77, np.uint8)
    restored = restorer_with(Returns(torch.clone)).restore(Picture(flat))
    np.testing.assert_array_equal(restored.pixels, flat)


@pytest.mark.parametrize("defect", ["nan", "flat"])
def test_what_fails_in_bf16_is_tried_in_fp32(
    defect: str, restorer_with: Make, photo: Photo
) -> None:
    def half_broken(x: Tensor) -> Tensor:
        if not torch.is_autocast_enabled("cpu"):
            return x.clone()
        return spoiled(x, float("nan")) if defect == "nan" else torch.zeros_like(x)

    network = Returns(half_broken)
    restored = restorer_with(network, dtype=torch.bfloat16).restore(Picture(photo))
    np.testing.assert_array_equal(restored.pixels, photo)
    assert network.calls == 2


def test_bf16_that_works_is_not_repeated(restorer_with: Make, photo: Photo) -> None:
    network = Returns(lambda x: x.clone() if torch.is_autocast_enabled("cpu") else 1 - x)
    restored = restorer_with(network, dtype=torch.bfloat16).restore(Picture(photo))
    np.testing.assert_array_equal(restored.pixels, photo)
    assert network.calls == 1


def large(seed: int = 0) -> Photo:
    return np.random.default_rng(seed).integers(0, 256, (300, 520, 3), np.uint8)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError(CPU_MESSAGE), MemoryError()],
    ids=["accelerator", "cpu", "python"],
)
def test_smaller_tiles_follow_when_memory_runs_out(error: Exception, restorer_with: Make) -> None:
    sides: list[int] = []

    def hungry(x: Tensor) -> Tensor:
        sides.append(max(x.shape[-2:]))
        if sides[-1] > 150:
            raise error
        return x.clone()

    progress: list[tuple[int, int]] = []
    restorer = restorer_with(Returns(hungry), margin=4)
    restored = restorer.restore(Picture(large()), on_tile=lambda *call: progress.append(call))
    np.testing.assert_array_equal(restored.pixels, large())
    assert sides[0] == 520, "whole first"
    assert sides[1] > 150 >= sides[2], "halved twice, no oftener"
    assert len(sides) == 2 + progress[-1][1]
    assert progress[-1][0] == progress[-1][1] > 1


def test_memory_that_never_suffices_is_an_error(restorer_with: Make) -> None:
    def insatiable(x: Tensor) -> Tensor:
        raise RuntimeError(CPU_MESSAGE)

    with pytest.raises(SerpentError, match="even with the smallest tile") as caught:
        restorer_with(Returns(insatiable)).restore(Picture(large()))
    assert "--region" in str(caught.value.hint)


def test_other_failures_are_not_mistaken_for_it(restorer_with: Make) -> None:
    def broken(x: Tensor) -> Tensor:
        raise RuntimeError("shapes do not match")

    network = Returns(broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        restorer_with(network).restore(Picture(large()))
    assert network.calls == 1
