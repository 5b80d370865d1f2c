"""Flat colours and frames among the crops."""

import torch
from torch import Tensor

from serpent_cli.training.content import AREAS, with_flat_parts


def noise(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, 3, 48, 40), generator=generator, dtype=torch.uint8)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def colours(crop: Tensor) -> int:
    return len(crop.flatten(1).T.unique(dim=0))


def test_flat_crops_have_few_colours_many_of_them_saturated() -> None:
    crops = with_flat_parts(noise(200), 1.0, 0.0, seeded(1))
    assert all(1 <= colours(crop) <= AREAS for crop in crops)
    saturated = [set(crop.flatten().tolist()) <= {0, 255} for crop in crops]
    assert 0.1 < sum(saturated) / 200 < 0.6


def test_frames_keep_a_rectangle_of_the_photograph() -> None:
    before = noise(200)
    crops = with_flat_parts(before, 0.0, 1.0, seeded(2))
    kept = (crops == before).all(1)
    for crop, same in zip(crops, kept, strict=True):
        assert len(crop[:, ~same].T.unique(dim=0)) <= 1, "the frame has one colour"
        rows, columns = same.sum(1) > 1, same.sum(0) > 1  # a pixel may be like it by chance
        assert same[rows][:, columns].all(), "what is kept is a rectangle"
    area = kept.float().mean((1, 2))
    assert 0.3 < float(area.mean()) < 0.8 and float((area < 0.99).float().mean()) > 0.6


def test_shares_are_kept_and_nothing_is_changed_in_place() -> None:
    before = noise(400)
    copy = before.clone()
    crops = with_flat_parts(before, 0.1, 0.2, seeded(3))
    assert torch.equal(before, copy)
    changed = (crops != before).flatten(1).any(1)
    assert 0.2 < float(changed.float().mean()) < 0.38
    assert with_flat_parts(before, 0.0, 0.0, seeded(3)) is before
