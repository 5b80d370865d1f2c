"""Blur that varies over a picture."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from serpent_cli.degrade.varying import MOMENTS, blend, random_masks, turned

CPU = torch.device("cpu")


def test_masks_are_parts_of_every_size_with_hard_and_soft_edges() -> None:
    masks = random_masks(300, 64, 96, torch.Generator().manual_seed(1), CPU)
    assert tuple(masks.shape) == (300, 1, 64, 96)
    assert float(masks.min()) >= 0 and float(masks.max()) <= 1
    area = masks.mean((1, 2, 3))
    assert 0.4 < float(area.mean()) < 0.6 and float(area.std()) > 0.15
    undecided = ((masks > 0.1) & (masks < 0.9)).float().mean((1, 2, 3))
    assert float((undecided < 0.03).float().mean()) > 0.25, "many have an edge of a pixel or two"
    assert float((undecided > 0.5).float().mean()) > 0.05, "some have no edge at all"


def test_masks_do_not_depend_on_the_crop_s_size_alone() -> None:
    one, other = (random_masks(4, 32, 32, torch.Generator().manual_seed(n), CPU) for n in (1, 2))
    assert not torch.equal(one, other)


@pytest.mark.parametrize(("angle", "zoom"), [(0.08, 0.0), (0.0, 0.06), (-0.05, 0.04)])
def test_a_turn_is_the_mean_of_scipys_views(photos: Tensor, angle: float, zoom: float) -> None:
    x = photos[:1, :1, 60:221, 60:221]
    centre = torch.tensor([[0.4, -0.3]])
    ours = turned(x, torch.tensor([angle]), torch.tensor([zoom]), centre)[0, 0].numpy()
    plane, views = x[0, 0].double().numpy(), []
    middle = np.array([80 + 80 * -0.3, 80 + 80 * 0.4])  # down, right
    for moment in range(MOMENTS):
        part = moment / (MOMENTS - 1) - 0.5
        cos, sin = np.cos(part * angle), np.sin(part * angle)
        matrix = (1 + part * zoom) * np.array([[cos, sin], [-sin, cos]])
        offset = middle - matrix @ middle
        views.append(ndimage.affine_transform(plane, matrix, offset, order=1, mode="mirror"))
    np.testing.assert_allclose(ours, np.mean(views, axis=0), atol=2e-4)


def test_the_place_of_the_turn_stays_sharp() -> None:
    x = torch.rand(1, 3, 201, 201, generator=torch.Generator().manual_seed(1))
    result = turned(x, torch.tensor([0.1]), torch.tensor([0.1]), torch.zeros(1, 2))
    change = (result - x).abs().mean(1)[0]
    assert float(change[98:103, 98:103].mean()) < 0.5 * float(change[:40, :40].mean())


def test_masks_show_their_layers_the_nearest_first() -> None:
    layers = [torch.full((1, 3, 1, 2), value) for value in (1.0, 2.0, 3.0)]
    masks = [torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[1.0, 0.25]]]])]
    assert blend(layers, masks)[0, 0].tolist() == [[1.0, 2.75]]
    assert torch.equal(blend(layers[:1], []), layers[0])
