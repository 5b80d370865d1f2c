"""The only reader of environment variables; one record for each."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """One environment variable.

    Attributes:
        name: Its name.
        meaning: What it does, in one line for `serpent doctor`.
    """

    name: str
    meaning: str

    def get(self) -> str | None:
        """Its value; None if it is unset or empty."""
        return os.environ.get(self.name) or None


DEBUG = Setting("SERPENT_DEBUG", "set: errors show their traceback")
BACKEND = Setting("SERPENT_BACKEND", "the scan backend to force (see the table below)")
NO_COLOR = Setting("NO_COLOR", "set: no colours")

HUGE_PAGES = Setting("THP_MEM_ALLOC_ENABLE", "1: torch asks for huge pages, our default")

SETTINGS = (DEBUG, BACKEND, NO_COLOR, HUGE_PAGES)


def prefer_huge_pages() -> None:
    """Let torch back large tensors by huge pages; must be called before torch is imported.

    Large feature maps are mapped anew for every operation; with small pages the faults alone take
    a third of a network's time.
    """
    os.environ.setdefault(HUGE_PAGES.name, "1")
