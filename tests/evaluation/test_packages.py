"""Optional packages that are there in part are passed over, with the reason."""

import subprocess
import sys
from pathlib import Path

import pytest

import serpent_cli

FAILURE = "raise ImportError('its library is missing')"


@pytest.mark.parametrize(
    ("package", "code", "words"),
    [
        (
            "skimage",
            "from serpent_cli.evaluation.packages import require_packages as f\n"
            "from serpent_cli.errors import DeviceError\n"
            "try:\n    f()\nexcept DeviceError as error:\n    print(error.message)",
            "evaluation needs scikit-image (its library is missing)",
        ),
        (
            "matplotlib",
            "from serpent_cli.training.loss_curve import can_draw\nprint(can_draw())",
            "False",
        ),
        (
            "ray",
            "from serpent_cli.batch.ray_cluster import connected\n"
            "from serpent_cli.errors import DeviceError\n"
            "try:\n    connected().__enter__()\nexcept DeviceError as error:\n"
            "    print(error.message)",
            "its library is missing",
        ),
    ],
)
def test_half_a_package(package: str, code: str, words: str, tmp_path: Path) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text(FAILURE)
    root = Path(serpent_cli.__file__).parents[1]
    lead = f"import sys\nsys.path[:0] = [{str(tmp_path)!r}, {str(root)!r}]\n"
    done = subprocess.run([sys.executable, "-c", lead + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
