"""`serpent doctor`."""

import importlib.util
import platform
from typing import TYPE_CHECKING

from serpent_cli.cli import console
from serpent_cli.settings import SETTINGS
from serpent_cli.version import DISTRIBUTION, __version__

if TYPE_CHECKING:
    from serpent_cli.ops.cross_scan.scan_request import ScanRequest

OPTIONAL = ("mamba_ssm", "causal_conv1d")
# Both build with the torch that is there, which pip would hide from them.
INSTALL = (
    "pip install setuptools wheel packaging ninja &&"
    f" pip install --no-build-isolation '{DISTRIBUTION}[cuda]'"
)
PACKAGES = ("torch", "numpy", "pillow", "tifffile", "imagecodecs", "safetensors", "typer", "rich")


def doctor() -> None:
    """Show what this machine offers, what is missing, and what that means."""
    from importlib import metadata  # slow to load, and only this command needs it

    versions = "  ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    console.result(f"serpent {__version__}  Python {platform.python_version()}  {versions}")
    _devices()
    _backends()
    _optional()
    _weights()
    for setting in SETTINGS:
        console.result(f"variable   {setting.name}={setting.get() or ''}  ({setting.meaning})")


def _devices() -> None:
    import torch

    from serpent_cli.restoration.device import (
        VRAM_SHARE,
        choose_device,
        choose_precision,
        device_memory,
    )
    from serpent_cli.restoration.memory_budget import default_budget, total_memory

    chosen = choose_device("auto")
    precision = str(choose_precision("auto", chosen)).removeprefix("torch.")
    console.result(
        f"device     auto means {chosen}, in {precision}; CPU threads: {torch.get_num_threads()}"
    )
    if (own := device_memory(chosen)) is not None:
        console.result(
            f"memory     {chosen}: {own / 2**30:.1f}G in all, {own * VRAM_SHARE / 2**30:.1f}G used"
            " at most unless --max-vram says otherwise"
        )
    console.result(
        f"memory     {total_memory() / 2**30:.1f}G in all, {default_budget() / 2**30:.1f}G used at"
        " most unless --max-memory says otherwise"
    )


def _backends() -> None:
    import torch

    from serpent_cli.ops.backend import table
    from serpent_cli.ops.cross_scan import BACKENDS, native

    for device in ["cuda", "cpu"] if torch.cuda.is_available() else ["cpu"]:
        for name, reason in table(BACKENDS, _request(device)):
            state = "ready" if reason is None else f"no: {reason}"
            console.result(f"backend    {device:<4} {name:<9} {state}")
    if native.unavailable() is None:
        console.result(f"kernel     {native.library().cross_scan_instruction_set().decode()}")
    else:
        console.result(f"kernel     missing; install a C++ compiler, then reinstall {DISTRIBUTION}")


def _request(device: str) -> "ScanRequest":
    import torch

    from serpent_cli.ops.cross_scan.operation import DEFAULT_PATHS
    from serpent_cli.ops.cross_scan.scan_request import ScanOptions, ScanRequest

    options = ScanOptions(DEFAULT_PATHS, False, True, torch.float32)
    return ScanRequest(1, 64, 64, 64, 4, 1, 2, torch.float32, device, options)


def _optional() -> None:
    import torch

    from serpent_cli.ops.cross_scan import mamba

    for package in OPTIONAL:
        found = importlib.util.find_spec(package) is not None
        state = "found" if found else "not installed"
        if found and package == "mamba_ssm":
            gpu = torch.cuda.is_available()
            fault = mamba.unavailable() if gpu else "untested: it needs an NVIDIA GPU"
            state = f"found, {fault or 'its self-test passed'}"
        console.result(f"optional   {package}: {state}; not needed")
    console.result(f"optional   to install both, with the CUDA toolkit (nvcc) at hand: {INSTALL}")


def _weights() -> None:
    from serpent_cli.zoo.card import sha256
    from serpent_cli.zoo.locate import list_cards, weights_folder

    for card in list_cards():
        path = weights_folder() / card.file
        state = (
            "missing"
            if not path.is_file()
            else ("intact" if sha256(path) == card.sha256 else f"CORRUPT: reinstall {DISTRIBUTION}")
        )
        console.result(f"weights    {card.name}: {state}")
