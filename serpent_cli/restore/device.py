"""Choosing where a network runs."""

import torch

from serpent_cli.errors import DeviceError

KINDS = ("cpu", "cuda", "mps", "xpu")


def choose_device(name: str) -> torch.device:
    """The device that a name asks for; `auto` takes the first GPU, or the CPU.

    Args:
        name: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`, `xpu`.

    Raises:
        DeviceError: Unknown, or not on this machine: a forced device never falls back.
    """
    if name == "auto":
        found = torch.accelerator.current_accelerator(check_available=True)
        return found if found is not None and found.type in KINDS else torch.device("cpu")
    kind, _, index = name.partition(":")
    if kind not in KINDS or (index and not index.isdigit()):
        raise DeviceError(
            f"there is no device {name!r}", hint=f"the devices are auto, {', '.join(KINDS)}, cuda:1"
        )
    if kind != "cpu":
        count = getattr(torch, kind).device_count() if hasattr(torch, kind) else 0
        if int(index or 0) >= count:
            raise DeviceError(
                f"the device {name} is not available: this machine offers {count} of that kind",
                hint="leave --device out, or see `serpent doctor`",
            )
    return torch.device(name)
