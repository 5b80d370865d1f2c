import pytest
import torch
from torch import Tensor, nn

from serpent_cli.restore.forward import Forward, defect, out_of_memory


class Sees(nn.Module):
    """The identity; keeps the shapes that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.shapes.append(tuple(x.shape))
        return 2 * x - 0.5


@pytest.mark.parametrize("size", [(1, 1), (1, 17), (33, 47), (16, 32)])
def test_the_network_sees_multiples_and_the_caller_its_own_size(size: tuple[int, int]) -> None:
    network, tile = Sees(), torch.rand(1, 3, *size)
    output = Forward(network, "test", 1, 16, torch.float32)(tile)
    (shape,) = network.shapes
    assert all(0 <= padded - side < 16 for padded, side in zip(shape[2:], size, strict=True))
    assert all(padded % 16 == 0 for padded in shape[2:])
    torch.testing.assert_close(output, (2 * tile - 0.5).clamp(0, 1))


def test_grey_is_the_mean_of_the_channels() -> None:
    tile = torch.rand(1, 3, 16, 16) / 4 + 0.3
    grey = Forward(Sees(), "test", 1, 16, torch.float32)(tile, grey=True)
    assert grey.shape == (1, 1, 16, 16)
    torch.testing.assert_close(grey, 2 * tile.mean(1, keepdim=True) - 0.5)


def test_flatness_is_judged_channel_by_channel() -> None:
    varied, one_colour = torch.rand(1, 3, 8, 8), torch.empty(1, 3, 8, 8)
    one_colour[0, 0], one_colour[0, 1], one_colour[0, 2] = 0.1, 0.5, 0.9
    assert defect(varied, one_colour) == "it is constant where the picture is not"
    assert defect(one_colour, torch.full_like(varied, 0.5)) is None
    assert defect(varied, varied) is None
    assert defect(varied, varied * torch.nan) == "it is not finite"


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
