"""The compiled kernels (csrc), called through ctypes. `threads.drive` runs their work items."""

import ctypes
import functools
import sys
from pathlib import Path

import torch

from serpent_cli.version import DISTRIBUTION

LIBRARY = "_cross_scan.pyd" if sys.platform == "win32" else "_cross_scan.so"
TYPES = {torch.float32: 0, torch.bfloat16: 1}


class Scan(ctypes.Structure):
    """Mirrors `Scan` in csrc/cross_scan.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("B", "H", "W", "D")),
        *((name, ctypes.c_int32) for name in ("K", "N", "R", "reset", "observe")),
        *((name, ctypes.c_int32) for name in ("type", "out_type", "parts", "chunk")),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "paths", "u", "dbc", "dt_weight", "dt_bias", "A_log", "D_skip", "y", "out",
                "carries", "grad_y", "sum_u", "grad_u", "grad_dbc", "grad_dt_weight",
                "grad_dt_bias", "grad_A_log", "grad_D_skip",
            )
        ),
    )  # fmt: skip


class Norm(ctypes.Structure):
    """Mirrors `Norm` in csrc/passes.h."""

    _fields_ = (
        ("rows", ctypes.c_int64),
        ("C", ctypes.c_int64),
        ("type", ctypes.c_int32),
        ("epsilon", ctypes.c_float),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "x", "gate", "weight", "bias", "to", "grad_to", "grad_x", "grad_gate",
                "grad_weight", "grad_bias",
            )
        ),
    )  # fmt: skip


class Depthwise(ctypes.Structure):
    """Mirrors `Depthwise` in csrc/passes.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("B", "H", "W", "D")),
        ("type", ctypes.c_int32),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "x", "weight", "bias", "to", "grad_to", "grad_x", "grad_weight", "grad_bias",
            )
        ),
    )  # fmt: skip


RECORDS = {"cross_scan": Scan, "norm": Norm, "depthwise": Depthwise}


def library_path() -> Path | None:
    """The compiled kernels inside the package, None if it was installed without a compiler."""
    path = Path(__file__).resolve().parent / LIBRARY
    return path if path.exists() else None


@functools.cache
def library() -> ctypes.CDLL:
    """The loaded kernels.

    Raises:
        OSError: They are missing, or built for another version of this file.
    """
    path = library_path()
    if path is None:
        raise OSError(
            "the compiled kernel is missing: serpent was installed without a C++ compiler"
        )
    return loaded(path)


def loaded(path: Path) -> ctypes.CDLL:
    """A library of kernels, its functions declared.

    Raises:
        OSError: It is no such library, or built for another version of this file.
    """
    lib = ctypes.CDLL(str(path))
    try:
        _declare(lib)
        sizes = {name: getattr(lib, f"{name}_size")() for name in RECORDS}
    except AttributeError:
        sizes = {}
    if sizes != {name: ctypes.sizeof(record) for name, record in RECORDS.items()}:
        raise OSError(f"the compiled kernel is of another version: reinstall {DISTRIBUTION}")
    return lib


def _declare(lib: ctypes.CDLL) -> None:
    for name, record in RECORDS.items():
        getattr(lib, f"{name}_size").restype = ctypes.c_int64
        for way in ("forward", "backward"):
            function = getattr(lib, f"{name}_{way}")
            function.restype = None
            function.argtypes = [ctypes.POINTER(record), ctypes.c_int64, ctypes.c_int64]
    for name in ("cross_scan_groups", "norm_rows", "depthwise_group"):
        getattr(lib, name).restype = ctypes.c_int64
    lib.cross_scan_groups.argtypes = [ctypes.c_int64, ctypes.c_int64]
    lib.cross_scan_instruction_set.restype = ctypes.c_char_p
    lib.cross_scan_register_limit.restype = ctypes.c_float
    lib.cross_scan_register_limit.argtypes = [ctypes.c_int64, ctypes.c_int32, ctypes.c_int32]
    lib.cross_scan_multiply_adds.restype = ctypes.c_float
    lib.cross_scan_multiply_adds.argtypes = [ctypes.c_int64]
    lib.team_run.restype = None
    lib.team_run.argtypes = [ctypes.c_void_p] * 5 + [ctypes.c_int64, ctypes.c_uint32]
