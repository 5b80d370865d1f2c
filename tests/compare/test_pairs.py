from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from serpent_cli.compare.pairs import Pair, pair_by_name

NAMES = st.lists(st.sampled_from(["a.png", "a.jpg", "b.png", "b.gif", "c.tif", "d"]), unique=True)


def paths(folder: str, *names: str) -> list[Path]:
    return [Path(folder, name) for name in names]


def test_equal_names_are_paired_in_order() -> None:
    found = pair_by_name(paths("x", "b.png", "a.jpg"), paths("y", "a.jpg", "b.png"))
    assert [pair.name for pair in found.pairs] == ["b", "a"]
    assert found.lonely_before == found.lonely_after == ()


def test_another_suffix_is_the_same_picture() -> None:
    found = pair_by_name(paths("x", "a.gif"), paths("y", "a.png"))
    assert found.pairs == (Pair(Path("x/a.gif"), Path("y/a.png")),)


def test_equal_names_go_before_equal_stems() -> None:
    found = pair_by_name(paths("x", "a.gif", "a.png"), paths("y", "a.png"))
    assert found.pairs == (Pair(Path("x/a.png"), Path("y/a.png")),)
    assert found.lonely_before == (Path("x/a.gif"),)


def test_where_nobody_could_say_nothing_is_paired() -> None:
    found = pair_by_name(paths("x", "a.gif", "a.bmp"), paths("y", "a.png"))
    assert found.pairs == ()
    assert len(found.lonely_before) == 2
    assert len(found.lonely_after) == 1


@given(NAMES, NAMES)
def test_every_file_is_in_exactly_one_place(before: list[str], after: list[str]) -> None:
    first, second = paths("x", *before), paths("y", *after)
    found = pair_by_name(first, second)
    assert sorted([p.before for p in found.pairs] + list(found.lonely_before)) == sorted(first)
    assert sorted([p.after for p in found.pairs] + list(found.lonely_after)) == sorted(second)
    assert all(pair.before.stem == pair.after.stem for pair in found.pairs)


def test_names_of_a_pair() -> None:
    assert Pair(Path("x/cup.gif"), Path("y/cup.png")).name == "cup"
    assert Pair(Path("in.png"), Path("out.png")).name == "in.png → out.png"
