"""Cubes made of photographs: in range, smooth, of their shapes, repeated by a seed."""

import skimage.data
import torch

from serpent_cli.degrade.aperture import random_masks, snapshots
from serpent_cli.degrade.cassi import measure, network_input
from serpent_cli.degrade.spectra import MAPS, spectra_of


def photographs(count=8):
    picture = torch.from_numpy(skimage.data.astronaut().copy()).permute(2, 0, 1)
    crops = [picture[:, 12 * i : 12 * i + 64, 8 * i : 8 * i + 80] for i in range(count)]
    return torch.stack(crops).float() / 255


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def test_cubes_are_in_range_and_shaped_like_their_photographs():
    x = photographs()
    cubes = spectra_of(x, 31, stream())
    assert cubes.shape == (8, 31, 64, 80)
    assert cubes.min() >= 0 and cubes.amax((1, 2, 3)).min() > 0.39 and cubes.max() <= 1
    # Where the photograph has an edge, so has the cube: flat ones make flat ones.
    flat = spectra_of(torch.full((2, 3, 8, 8), 0.4), 5, stream())
    torch.testing.assert_close(flat, flat[..., :1, :1].expand_as(flat))


def test_bands_are_alike_but_not_the_same():
    cubes = spectra_of(photographs(32), 31, stream()).flatten(2)
    standard = cubes - cubes.mean(2, keepdim=True)
    standard = standard / standard.norm(dim=2, keepdim=True).clamp_min(1e-6)
    near = (standard[:, 1:] * standard[:, :-1]).sum(2)
    far = (standard[:, 0] * standard[:, -1]).sum(1)
    assert near.median() > 0.98
    assert far.median() < near.median() - 0.02
    rank = torch.linalg.matrix_rank(cubes[0].double(), rtol=1e-6)
    assert 3 <= rank <= MAPS


def test_visible_spectra_are_broad():
    """Second differences are less than a quarter of what gaps and lines make."""
    x = photographs(16)
    any_, visible = (spectra_of(x, 28, stream(), visible=it) for it in (False, True))
    assert visible.min() >= 0 and visible.max() <= 1
    bends = [cubes.diff(n=2, dim=1).square().mean().sqrt() for cubes in (any_, visible)]
    assert bends[1] < bends[0] / 4


def test_a_seed_repeats_them():
    x = photographs(2)
    assert torch.equal(spectra_of(x, 9, stream(1)), spectra_of(x, 9, stream(1)))
    assert not torch.equal(spectra_of(x, 9, stream(1)), spectra_of(x, 9, stream(2)))


def test_masks_are_half_open():
    masks = random_masks(4, 64, 64, stream())
    assert masks.min() >= 0 and masks.max() <= 1
    assert 0.45 < masks.mean() < 0.55
    assert masks.std() > 0.2


def test_snapshots_are_the_forward_model_and_the_mask():
    cubes = spectra_of(photographs(2), 5, stream())
    given = snapshots(cubes, (0.0, 0.0), stream(3))
    assert given.shape == (2, 10, 64, 80)
    masks = given[:, 5:]
    assert (masks == masks[:, :1]).all()
    for cube, mask, both in zip(cubes, masks[:, 0], given, strict=True):
        expected = network_input(measure(cube[None], mask), 5)[0]
        torch.testing.assert_close(both[:5], expected)
    noisy = snapshots(cubes, (5.0, 5.0), stream(3))[:, :5] - given[:, :5]
    torch.testing.assert_close(noisy.std(), torch.tensor(5 / 255 * 2 / 5), rtol=0.05, atol=0)
