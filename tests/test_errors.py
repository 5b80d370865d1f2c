"""What is said of a failure of the system."""

import errno
import os

import pytest

from serpent_cli.errors import reason_of


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "cat.png"), os.strerror(errno.ENOSPC)),
        (OSError("the archive ends early"), "the archive ends early"),  # without a number
        (ValueError("embedded null byte"), "embedded null byte"),
    ],
)
def test_the_system_s_words_or_the_error_s_own(error: Exception, words: str) -> None:
    assert reason_of(error) == words
