"""Names of devices and precisions, and what can be said of them without loading torch."""

import ctypes
import importlib.util
import re
import sys
from pathlib import Path

from serpent_cli.errors import DeviceError, UsageError

KINDS = ("cpu", "cuda", "mps", "xpu")
TITLES = {"cuda": "CUDA GPU", "mps": "Apple GPU (MPS)", "xpu": "Intel GPU (XPU)", "cpu": "CPU"}
PRECISION_NAMES = ("auto", "fp32", "bf16")

_BUILD = re.compile(r"^(cuda|hip|xpu)\b[^=\n]*=\s*(.+?)\s*$", re.MULTILINE)


def split_device(name: str) -> tuple[str, str]:
    """Kind and number of a device, such as `cuda` and `1`; the number is empty if none is given.

    Args:
        name: Of a device; not `auto`.

    Raises:
        DeviceError: No device goes by that name.
    """
    kind, _, index = name.partition(":")
    if kind not in KINDS or (index and not (index.isascii() and index.isdigit())):
        raise DeviceError(
            f"there is no device {name!r}", hint=f"the devices are auto, {', '.join(KINDS)}, cuda:1"
        )
    return kind, index


def absent(name: str, count: int) -> DeviceError:
    """The error for a device that this machine does not offer; it has `count` of its kind."""
    return DeviceError(
        f"the device {name} is not available: {_count(split_device(name)[0], count)}",
        hint="leave out --device to run on what is there, or see `serpent doctor`",
    )


def _count(kind: str, count: int) -> str:
    """How many devices of a kind were found, as a clause."""
    title = TITLES.get(kind, kind)
    if count == 0:
        return f"no {title} found"
    return f"only {count} {title}{'s' if count > 1 else ''} found, counted from {kind}:0"


def check_device(name: str) -> None:
    """Refuse what surely is not on this machine; torch, once it is loaded, knows the rest.

    Args:
        name: As `device.choose_device` takes it.

    Raises:
        DeviceError: Unknown, or of a kind that torch was not built for or that has no driver.
    """
    if name == "auto":
        return
    kind, _ = split_device(name)
    if not _possible(kind):
        raise absent(name, 0)


def check_precision(name: str) -> None:
    """Refuse a name of no precision.

    Raises:
        UsageError: It is not auto, fp32 or bf16.
    """
    if name not in PRECISION_NAMES:
        raise UsageError(f"--precision {name} is not auto, fp32 or bf16")


def no_accelerator() -> bool:
    """Whether this machine surely has no GPU that torch could use."""
    return not any(_possible(kind) for kind in KINDS if kind != "cpu")


def _possible(kind: str) -> bool:
    if kind == "cpu":
        return True
    if kind == "mps":
        return sys.platform == "darwin"
    built = _built_for()
    if built is None:  # torch will say
        return True
    if kind == "cuda":
        return "hip" in built or ("cuda" in built and _has_driver())
    return kind in built


def _built_for() -> set[str] | None:
    """The kinds of accelerators that torch was built for; None if it does not say."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return None
    try:
        text = Path(found.origin).with_name("version.py").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    said = dict(_BUILD.findall(text))
    return {kind for kind, value in said.items() if value != "None"} if said else None


def _has_driver() -> bool:
    """Whether NVIDIA's driver is installed; looked for on Linux only."""
    if not sys.platform.startswith("linux"):
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
