"""What evaluation needs beyond the program itself: the packages of the extra `eval`."""

import importlib.util

from serpent_cli.errors import DeviceError
from serpent_cli.version import install

PACKAGES = {"torchmetrics": "torchmetrics", "skimage": "scikit-image"}
"""Module to import, and the package that brings it."""


def require_packages() -> None:
    """Make sure that scores can be computed; call it before any other module of this folder loads.

    Raises:
        DeviceError: A package is missing; the hint is the command that installs it.
    """
    missing = [name for module, name in PACKAGES.items() if not importlib.util.find_spec(module)]
    if missing:
        raise DeviceError(
            f"evaluation needs {' and '.join(missing)}, which this environment lacks",
            hint=install("eval"),
        )
