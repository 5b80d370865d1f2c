import os

from serpent_cli.settings import HUGE_PAGES, SPINNING, WAITING, prepare_torch


def test_torch_is_prepared(monkeypatch):
    for setting in (HUGE_PAGES, SPINNING, WAITING):
        monkeypatch.delenv(setting.name, raising=False)
    prepare_torch()
    assert (os.environ[HUGE_PAGES.name], os.environ[SPINNING.name]) == ("1", "10000")
    assert WAITING.get() is None


def test_what_the_user_chose_stays(monkeypatch):
    monkeypatch.setenv(HUGE_PAGES.name, "0")
    monkeypatch.setenv(WAITING.name, "active")
    monkeypatch.delenv(SPINNING.name, raising=False)
    prepare_torch()
    assert HUGE_PAGES.get() == "0"
    assert SPINNING.get() is None
