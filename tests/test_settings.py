import os

import pytest

from serpent_cli import settings
from serpent_cli.settings import (
    HUGE_PAGES,
    RAY_LOGS,
    RAY_REPORTS,
    SPINNING,
    WAITING,
    own_process,
    prepare_ray,
    process_is_ours,
)


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch):
    """Nothing is set, and nobody has said that the process is ours."""
    monkeypatch.setattr(settings, "_process_is_ours", False)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    for setting in (HUGE_PAGES, SPINNING, WAITING, RAY_REPORTS, RAY_LOGS):
        os.environ.pop(setting.name, None)


def test_torch_is_prepared():
    own_process()
    assert process_is_ours()
    assert (os.environ[HUGE_PAGES.name], os.environ[SPINNING.name]) == ("1", "10000")
    assert WAITING.get() is None


def test_what_the_user_chose_stays():
    os.environ |= {HUGE_PAGES.name: "0", WAITING.name: "active"}
    own_process()
    assert HUGE_PAGES.get() == "0"
    assert SPINNING.get() is None


def test_ray_is_quiet_in_a_process_of_ours_only():
    prepare_ray()
    assert RAY_REPORTS.get() is RAY_LOGS.get() is None
    own_process()
    prepare_ray()
    assert (RAY_REPORTS.get(), RAY_LOGS.get()) == ("0", "fatal")
