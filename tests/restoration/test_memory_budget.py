import pytest
from hypothesis import given
from hypothesis import strategies as st

from serpent_cli.errors import UsageError
from serpent_cli.restoration import memory_budget
from serpent_cli.restoration.memory_budget import (
    default_budget,
    gibibytes,
    parse_memory,
    total_memory,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2G", 2 * 2**30),
        ("1.5GiB", 3 * 2**29),
        ("800m", 800 * 2**20),
        (" 64 KB ", 64 * 2**10),
        ("1T", 2**40),
        ("123456", 123456),
    ],
)
def test_amounts_of_memory(text: str, expected: int) -> None:
    assert parse_memory(text) == expected


@pytest.mark.parametrize("text", ["", "G", "-1G", "0", "0.0G", "2X", "2 G G", "1e9", "nan"])
def test_what_is_not_a_memory_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="invalid memory size") as caught:
        parse_memory(text)
    assert caught.value.hint == "write it like 2G or 800M"


def test_memory_is_known_where_the_system_has_no_sysconf(monkeypatch) -> None:
    psutil = pytest.importorskip("psutil")
    monkeypatch.setattr(memory_budget, "_CONTROL_GROUP_LIMITS", ())
    by_sysconf = total_memory()
    monkeypatch.setattr(memory_budget.os, "sysconf_names", {})
    assert total_memory() == psutil.virtual_memory().total
    assert abs(total_memory() - by_sysconf) < 2**20
    monkeypatch.delattr(memory_budget.os, "sysconf")
    assert total_memory() == psutil.virtual_memory().total


def test_a_container_s_limit_counts(tmp_path_factory, monkeypatch) -> None:
    limit = tmp_path_factory.mktemp("cgroup") / "memory.max"
    limit.write_text("1000000\n")
    monkeypatch.setattr(memory_budget, "_CONTROL_GROUP_LIMITS", (limit, limit.with_name("absent")))
    assert total_memory() == 1000000
    assert default_budget() == 600000
    limit.write_text("max\n")
    assert total_memory() > 2**28, "no limit: the machine's own"


@given(st.integers(1, 2**44))
def test_what_is_asked_for_suffices_when_it_is_given(count: int) -> None:
    assert count <= parse_memory(gibibytes(count)) < count + 2**30 / 10
