import math

import pytest
import torch
from torch import Tensor

from serpent_cli.degrade.draws import below, chance, choice, generator_for, uniform


def draw(name: str) -> Tensor:
    return torch.randn(4, generator=generator_for(name), dtype=torch.float64)


def test_a_file_name_decides_the_noise() -> None:
    assert torch.equal(draw("a.png"), draw("a.png"))
    assert not torch.equal(draw("a.png"), draw("b.png"))


def test_the_seed_of_a_name_is_the_same_anywhere() -> None:
    """Frozen: scores of different machines and versions are scores of the same pictures."""
    # printf kodim01.png | sha256sum, its first 16 digits halved
    assert generator_for("kodim01.png").initial_seed() == 6616029622928958203


def test_a_power_favours_small_numbers_and_keeps_the_range(generator: torch.Generator) -> None:
    even = uniform((-2.0, 6.0), (50, 400), generator)
    slight = uniform((-2.0, 6.0), (50, 400), generator, 2.0)
    assert even.shape == slight.shape == (50, 400)
    for drawn, mean in ((even, 2.0), (slight, -2 + 8 / 3)):
        assert -2 <= float(drawn.min()) < -1.99
        assert 5.99 < float(drawn.max()) < 6
        assert float(drawn.mean()) == pytest.approx(mean, abs=0.06)


def test_a_share_of_the_rows_is_befallen(generator: torch.Generator) -> None:
    drawn = chance(0.2, 20_000, generator)
    assert drawn.dtype == torch.bool
    assert float(drawn.float().mean()) == pytest.approx(0.2, abs=4 * math.sqrt(0.16 / 20_000))
    assert not chance(0.0, 100, generator).any()
    assert chance(1.0, 100, generator).all()


def test_a_choice_is_as_frequent_as_its_share(generator: torch.Generator) -> None:
    counts = choice([1.0, 0.0, 3.0], 20_000, generator).bincount(minlength=3)
    assert int(counts[1]) == 0
    assert float(counts[2]) / 20_000 == pytest.approx(0.75, abs=0.013)


def test_whole_numbers_stay_below_their_limit(generator: torch.Generator) -> None:
    assert {below(3, generator) for _ in range(100)} == {0, 1, 2}
