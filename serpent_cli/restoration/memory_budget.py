"""Memory: budgets as users write them, and what this machine has in all."""

import os
import re
from pathlib import Path

from serpent_cli.errors import UsageError

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_CONTROL_GROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
DEFAULT_SHARE = 0.6  # of the machine's memory, when no budget is given


def parse_memory(text: str) -> int:
    """Bytes of a budget such as `2G`, `1.5GiB` or `800M`; G is 2^30.

    Raises:
        UsageError: It is not a memory size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?\s*", text.upper())
    if match is None or float(match[1]) == 0:
        raise UsageError(f"invalid memory size {text!r}", hint="write it like 2G or 800M")
    return int(float(match[1]) * _UNITS[match[2]])


def gibibytes(count: int) -> str:
    """A number of bytes as --max-memory takes it, rounded up."""
    return f"{-(-count * 10 // 2**30) / 10:.1f}G"


def memory_of(budget: int | str | None) -> int | None:
    """Bytes of a budget, whether it is a number of them or text as `parse_memory` takes it.

    Raises:
        UsageError: It is none.
    """
    if isinstance(budget, str):
        return parse_memory(budget)
    if budget is not None and (type(budget) is not int or budget <= 0):
        raise UsageError(
            f"invalid memory size {budget!r}", hint="give bytes, or text like '2G' or '800M'"
        )
    return budget


def total_memory() -> int:
    """Bytes of memory that this machine, or this container, has in all, free or not."""
    limits = [_physical_memory()]
    for path in _CONTROL_GROUP_LIMITS:
        try:
            limits.append(int(path.read_text().strip()))
        except (OSError, ValueError):
            continue
    return min(limits)


def default_budget() -> int:
    """Bytes the process may use by default: a fixed share of the total."""
    return int(total_memory() * DEFAULT_SHARE)


def budget_or_default(budget: int | None) -> int:
    """A budget, or the default if none is set."""
    return default_budget() if budget is None else budget


def _physical_memory() -> int:
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    import psutil  # Windows; not required on Linux, which never comes here

    return psutil.virtual_memory().total
