"""The bars of batches, in small: kills at random moments, broken files, memory that stays flat."""

import subprocess
import sys
from collections.abc import Callable

import pytest

Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")
def test_kills_leave_the_results_of_an_undisturbed_run(python: Python) -> None:
    ran = python("-m", "tests.endurance", "kills", "--kills", "8")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "runs killed" in ran.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_every_broken_picture_is_named_and_every_other_done(python: Python) -> None:
    ran = python("-m", "tests.endurance", "batch", "--count", "60", "--warm", "30")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("yes") == 5
