from dataclasses import dataclass, field
from typing import Any

import pytest

from serpent_cli.degrade.tables import read_table
from serpent_cli.errors import UsageError


@dataclass(frozen=True)
class Inner:
    share: float = 0.5


@dataclass(frozen=True)
class Outer:
    count: int = 3
    rate: float = 0.1
    precision: str = "auto"
    slow: bool = False
    betas: tuple[float, float] = (0.9, 0.99)
    bands: tuple[int, int] = (3, 48)
    inner: Inner = field(default_factory=Inner)


def test_nothing_said_leaves_the_defaults() -> None:
    assert read_table(Outer, {}, "optim") == Outer()


def test_what_is_said_takes_their_place() -> None:
    table = {"count": 7, "rate": 2, "betas": [0, 0.5], "inner": {"share": 1}, "slow": True}
    made = read_table(Outer, table, "optim")
    assert made == Outer(7, 2.0, "auto", True, (0.0, 0.5), (3, 48), Inner(1.0))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ([1], r"optim must be a table, not \[1\]"),
        ({"zeal": 1, "awe": 2}, r"unknown entries in \[optim\]: awe, zeal$"),
        ({"count": 3.0}, "optim.count must be like 3, not 3.0"),
        ({"count": True}, "optim.count must be like 3, not True"),
        ({"rate": "fast"}, "optim.rate must be like 0.1, not 'fast'"),
        ({"rate": False}, "optim.rate must be like 0.1, not False"),
        ({"precision": 16}, "optim.precision must be like 'auto', not 16"),
        ({"slow": 1}, "optim.slow must be like False, not 1"),
        ({"betas": 0.9}, r"optim.betas must be a list like \[0.9, 0.99\], not 0.9"),
        ({"betas": [0.9]}, "optim.betas must be a list like"),
        ({"betas": ["a", "b"]}, "optim.betas must be a list like"),
        ({"bands": [3.5, 9]}, "optim.bands must be a list like"),
        ({"inner": 1}, "optim.inner must be a table, not 1"),
        ({"inner": {"part": 1}}, r"unknown entries in \[optim.inner\]: part"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(table: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_table(Outer, table, "optim")
