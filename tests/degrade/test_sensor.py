"""What happens to cubes: how strong, how often, and that a seed repeats it."""

import pytest
import torch

from serpent_cli.degrade.sensor import CubeHarm, harmed

SHAPE = (24, 6, 20, 30)
NOTHING = CubeHarm(noise=(0, 0), own_share=0, stripe_share=0, dead_share=0)


def drawn(seed=0, **changes):
    harm = CubeHarm(**{**vars(NOTHING), **changes})
    clean = torch.full(SHAPE, 0.5)
    return harmed(clean, harm, torch.Generator().manual_seed(seed)) - clean


def test_nothing_may_happen():
    assert (drawn() == 0).all()


def test_noise_is_as_strong_as_said_in_all_bands():
    change = drawn(noise=(25.0, 25.0))
    torch.testing.assert_close(255 * change.std(), torch.tensor(25.0), rtol=0.02, atol=0)
    between = change.flatten(2).std(2).std()
    assert between < 0.1 * change.std()


def test_bands_may_have_a_strength_of_their_own():
    each = drawn(noise=(50.0, 50.0), own_share=1.0).flatten(2).std(2) * 255
    assert each.max() < 53
    assert each.min() < 10
    assert 20 < each.mean() < 30


def test_stripes_are_the_same_along_columns_or_rows():
    change = drawn(stripe_share=1.0)
    along_columns = (change == change[..., :1, :]).all((2, 3))
    along_rows = (change == change[..., :, :1]).all((2, 3))
    assert (along_columns | along_rows).all()
    touched = (change != 0).any(3).any(2)
    assert 0.15 < touched.float().mean() < 0.45
    assert (touched & ~along_rows).any() and (touched & ~along_columns).any()


def test_dead_pixels_tell_black_grey_or_white():
    change = drawn(dead_share=1.0)
    assert set(change.unique().tolist()) <= {-0.5, 0.0, 0.5}
    assert 0 < (change != 0).float().mean() < 0.02


def test_a_seed_repeats_it():
    every = {"noise": (0.0, 50.0), "own_share": 0.5, "stripe_share": 0.5, "dead_share": 0.5}
    assert torch.equal(drawn(3, **every), drawn(3, **every))
    assert not torch.equal(drawn(3, **every), drawn(4, **every))


@pytest.mark.parametrize(
    "wrong",
    [
        {"dead_share": 1.5},
        {"noise": (3.0, 2.0)},
        {"noise": (-1.0, 2.0)},
        {"bands": (0, 3)},
        {"bands": (4, 3)},
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        CubeHarm(**wrong).check()
