import pytest

from serpent_cli.errors import DeviceError
from serpent_cli.ops.backend import Backend, choose, forced_backend, table, use_backend

FAST = Backend[int]("fast", 20, lambda request: "odd requests only" if request % 2 == 0 else None)
SLOW = Backend[int]("slow", 10, lambda request: "it is too large" if request > 100 else None)
TRUTH = Backend[int]("truth", -1, lambda request: None)
ALL = (SLOW, TRUTH, FAST)


def test_the_best_that_can_run_is_chosen():
    assert choose(ALL, 3) is FAST
    assert choose(ALL, 4) is SLOW


def test_a_negative_priority_is_only_for_the_asking():
    assert choose(ALL, 102, "truth") is TRUTH
    with pytest.raises(DeviceError, match=r"fast: odd requests only; slow: it is too large"):
        choose(ALL, 102)


def test_a_forced_backend_never_falls_through():
    assert choose(ALL, 3, "slow") is SLOW
    with pytest.raises(DeviceError, match="fast cannot run: odd requests only"):
        choose(ALL, 4, "fast")


def test_an_unknown_name_is_refused_with_those_that_exist():
    with pytest.raises(DeviceError, match="'quick'") as caught:
        choose(ALL, 3, "quick")
    assert caught.value.hint == "the backends are slow, truth, fast"
    assert caught.value.exit_code == 5


def test_the_table_is_best_first_and_says_why_not():
    assert table(ALL, 4) == [("fast", "odd requests only"), ("slow", None), ("truth", None)]


def test_use_backend_nests_and_ends_with_its_block():
    assert forced_backend() is None
    with use_backend("slow"):
        with use_backend(None):
            assert forced_backend() is None
        assert forced_backend() == "slow"
        with pytest.raises(KeyError), use_backend("fast"):
            raise KeyError
        assert forced_backend() == "slow"
    assert forced_backend() is None
