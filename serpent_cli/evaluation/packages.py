"""What evaluation needs beyond the program itself: the packages of the extra `eval`."""

import importlib

from serpent_cli.errors import DeviceError
from serpent_cli.version import install

PACKAGES = {"torchmetrics": "torchmetrics", "skimage": "scikit-image"}
"""Module to import, and the package that brings it."""


def require_packages() -> None:
    """Make sure that scores can be computed; call it before any other module of this folder loads.

    Raises:
        DeviceError: A package is missing; the hint is the command that installs it.
    """
    missing: list[str] = []
    for module, package in PACKAGES.items():
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            whole = error.name != module  # it is there, and lacks something itself
            missing.append(f"{package} ({error})" if whole else package)
        except ImportError as error:
            missing.append(f"{package} ({error})")
    if missing:
        raise DeviceError(
            f"evaluation needs {' and '.join(missing)}, which this environment lacks",
            hint=install("eval"),
        )
