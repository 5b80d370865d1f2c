"""Random crops: every one a piece of its photograph, in one of the square's eight positions."""

import pytest
import torch
from torch import Tensor

from serpent_cli.errors import UsageError
from serpent_cli.training.crops import CropSampler, place


def numbered(index: int, height: int, width: int) -> Tensor:
    """A photograph whose pixels say which photograph, row and column they are."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack((torch.full_like(rows, index), rows, columns), -1).to(torch.uint8)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_crops_repeat_with_their_seed() -> None:
    draws = [CropSampler([numbered(0, 60, 80)], 24, seeded(seed)).draw(4) for seed in (1, 1, 2)]
    assert draws[0].shape == (4, 3, 24, 24)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_crops_are_pieces_of_photographs_in_all_eight_positions() -> None:
    photos, seen = [numbered(0, 60, 80), numbered(1, 90, 40)], set[tuple[int, int, bool]]()
    crops = CropSampler(photos, 16, seeded(3)).draw(100)
    assert crops.dtype == torch.uint8
    for crop in crops.int():
        upright = bool(crop[1, 0, 0] == crop[1, 0, 1])  # rows lie along rows
        turned = crop if upright else crop.transpose(1, 2)
        down, right = (int(turned[axis].diff(dim=axis - 1)[0, 0]) for axis in (1, 2))
        seen.add((down, right, upright))
        turned = turned.flip([axis for axis, step in ((1, down), (2, right)) if step < 0])
        index, top, left = (int(turned[axis, 0, 0]) for axis in range(3))
        piece = photos[index][top : top + 16, left : left + 16].permute(2, 0, 1)
        assert torch.equal(turned, piece.int())
    assert len(seen) == 8


def test_every_corner_of_a_photograph_is_reached() -> None:
    crops = CropSampler([numbered(0, 18, 18)], 16, seeded(4)).draw(100)
    assert int(crops[:, 1:].min()) == 0
    assert int(crops[:, 1:].max()) == 17
    assert {int(crop[1].min()) for crop in crops} == {0, 1, 2}


def test_photographs_smaller_than_a_crop_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 32"):
        CropSampler([numbered(0, 60, 31)], 32, seeded(0))


def test_photographs_stay_where_they_are_on_the_cpu() -> None:
    photos = [numbered(0, 60, 80)]
    assert place(photos, torch.device("cpu"))[0] is photos[0]
