"""What fails on the way from the Hub is one sentence, with what has come by then."""

import errno
from pathlib import Path

import pytest

from serpent_cli.errors import ModelError, UsageError
from serpent_cli.zoo.hub_errors import hub_errors
from serpent_cli.zoo.names import HubReference

HERE = HubReference("someone/sharp")


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (ConnectionError("gone away"), "cannot reach the Hub: gone away", "after 5 bytes"),
        (TimeoutError(), "cannot reach the Hub: TimeoutError", "after 5 bytes"),
        (OSError(errno.ENOSPC, "No space"), "disk that holds the cache is full", "after 5 bytes"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x"),
            "cache /x: Permission",
            "HF_HOME",
        ),
    ],
)
def test_errors_become_sentences(error: Exception, message: str, hint: str, tmp_path: Path) -> None:
    partial = tmp_path / "weights.part"
    partial.write_bytes(b"12345")
    with pytest.raises(ModelError) as caught, hub_errors(HERE) as part:
        part.path = partial
        raise error
    assert message in caught.value.message
    assert hint in str(caught.value.hint)
    assert caught.value.__cause__ is error


def test_what_is_no_failure_of_the_hub_passes(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), hub_errors(HERE):
        raise ZeroDivisionError
    with pytest.raises(UsageError), hub_errors(HERE):
        raise UsageError("ours")
    with pytest.raises(ModelError) as caught, hub_errors(HERE) as part:
        part.path = tmp_path / "nothing.part"
        raise ConnectionError("gone")
    assert str(caught.value.hint).endswith("run it again")
