"""One tile: what the network is given, what its output is believed."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from serpent_cli.imaging.picture import Samples
from serpent_cli.restoration.forward import Forward, defect, extremes, out_of_memory


class Sees(nn.Module):
    """The identity; keeps the shapes that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.shapes.append(tuple(x.shape))
        return 2 * x - 0.5


def random_tile(*shape: int) -> Samples:
    return np.random.default_rng(0).random(shape, np.float32)


def forward(network: nn.Module) -> Forward:
    return Forward(network, "test", 1, 16, torch.float32)


@pytest.mark.parametrize("size", [(1, 1), (1, 17), (33, 47), (16, 32)])
def test_the_network_sees_multiples_and_the_caller_its_own_size(size: tuple[int, int]) -> None:
    network, tile = Sees(), random_tile(*size, 3)
    output = forward(network)(tile)
    (shape,) = network.shapes
    assert all(0 <= padded - side < 16 for padded, side in zip(shape[2:], size, strict=True))
    assert all(padded % 16 == 0 for padded in shape[2:])
    np.testing.assert_allclose(output, (2 * tile - 0.5).clip(0, 1), atol=1e-6)


def test_grey_is_the_mean_of_the_channels() -> None:
    class Colours(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.tensor([0.5, 1.0, 0.6]).view(3, 1, 1)

    plane = random_tile(16, 20)
    grey = forward(Colours())(plane)
    assert grey.shape == (16, 20, 1)
    np.testing.assert_allclose(grey[..., 0], 0.7 * plane, atol=1e-6)


@pytest.mark.parametrize(("device", "ahead"), [("cpu", 0), ("meta", 1)])
def test_on_a_device_the_next_tile_is_under_way_while_one_is_taken(device: str, ahead: int) -> None:
    network, tiles = Sees(), [random_tile(16, 16 * (1 + i), 3) for i in range(4)]
    stream = forward(network)
    stream.device = torch.device(device)  # the work itself stays on the CPU
    for taken, (tile, output) in enumerate(zip(tiles, stream.stream(tiles), strict=True), 1):
        assert len(network.shapes) == min(taken + ahead, len(tiles))
        np.testing.assert_allclose(output, (2 * tile - 0.5).clip(0, 1), atol=1e-6)


def test_flatness_is_judged_channel_by_channel() -> None:
    varied, one_colour = torch.rand(1, 3, 8, 8), torch.empty(1, 3, 8, 8)
    one_colour[0, 0], one_colour[0, 1], one_colour[0, 2] = 0.1, 0.5, 0.9

    def judged(given: Tensor, output: Tensor) -> str | None:
        return defect(extremes(given, output))

    assert judged(varied, one_colour) == "it is constant where the picture is not"
    assert judged(one_colour, torch.full_like(varied, 0.5)) is None
    assert judged(varied, varied) is None
    assert judged(varied, varied * torch.nan) == "it is not finite"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("size mismatch"), False),
        (ValueError("shape"), False),
    ],
)
def test_what_counts_as_memory_that_ran_out(error: Exception, expected: bool) -> None:
    assert out_of_memory(error) is expected


def test_a_real_refusal_of_torch_s_allocator_counts() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert out_of_memory(caught.value)


class SumsInAnotherOrder(nn.Module):
    """Gives the third picture of a batch other last bits than alone, as products in bf16 may."""

    def forward(self, x: Tensor) -> Tensor:
        y = x.float().clone()
        y[2:3] += 0.1
        return y


def test_pictures_in_bf16_each_go_alone() -> None:
    forward = Forward(SumsInAnotherOrder(), "odd", 1, 1, torch.bfloat16)
    tiles = [np.full((4, 5, 3), value, np.uint8) for value in (10, 20, 30, 40)]
    for tile, result in zip(tiles, forward.batch(tiles), strict=True):
        np.testing.assert_array_equal(result, tile)
