"""Running the drivers with the package that is installed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data

HERE = Path(__file__).parent
Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """Run Python beside the drivers and `bench` alone: it finds the package that is installed."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__init__.py").touch()
    (tmp_path / "tests" / "endurance").symlink_to(HERE)
    (tmp_path / "bench").symlink_to(HERE.parent.parent / "bench")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    return skimage.data.astronaut()[100:260, 150:331]


@pytest.fixture(scope="session")
def camera() -> np.ndarray:
    return skimage.data.camera()[100:260, 150:331]
