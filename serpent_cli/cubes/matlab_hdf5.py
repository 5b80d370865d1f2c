"""MATLAB's .mat of version 7.3, which is HDF5: its arrays of numbers, in MATLAB's order of axes.

MATLAB counts the first axis fastest and HDF5 the last: so HDF5 names the axes of the same bytes in
reverse. An array that is not compressed stays in the file, and comes into memory where it is
looked at.
"""

from pathlib import Path
from typing import Any

import numpy as np

from serpent_cli.cubes.cube import Samples
from serpent_cli.errors import DeviceError, PictureError
from serpent_cli.version import install

SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEAD = 520
"""Bytes in which the signature lies: behind MATLAB's own 512, or in front of all."""

NUMBERS = ("double", "single", "logical",
           *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))  # fmt: skip


KINDS = {"char": "text", "string": "text", "struct": "structure", "cell": "cells"}
"""What a sentence calls MATLAB's other classes; the rest by their own names."""

OWN = "#"
"""What the names begin with that MATLAB gives to its own records: `#refs#`, `#subsystem#`."""


def variables_of(path: Path) -> tuple[dict[str, Samples], dict[str, str]]:
    """The arrays of numbers, and what is not read.

    Returns:
        Arrays by name, with their axes as MATLAB has them; and of every other variable, by name,
        what it is, as "structure": text, cells, sparse and empty arrays, what lies in another file.

    Raises:
        PictureError: Missing or damaged.
        DeviceError: The package h5py is not installed.
    """
    h5py = _h5py()
    try:
        with h5py.File(path, "r") as file:
            kinds = {name: _why_not(h5py, file, name) for name in file if not name.startswith(OWN)}
            arrays = {name: _array(path, file[name]) for name, why in kinds.items() if not why}
            return arrays, {name: why for name, why in kinds.items() if why}
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, MemoryError) as error:
        # Damaged files are told in the words of HDF5's own code.
        raise PictureError(
            f"cannot read {path}: it is a damaged MATLAB file of version 7.3, or too large"
        ) from error


def _why_not(h5py: Any, file: Any, name: str) -> str:
    """What a variable is that is not read; nothing of an array of numbers in this file itself."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return "link"
    item = file[name]
    told = item.attrs.get("MATLAB_class", b"double")
    named = told.decode("ascii", "replace") if isinstance(told, bytes) else str(told)
    if "MATLAB_sparse" in item.attrs:
        return "sparse"
    if named not in NUMBERS:
        return KINDS.get(named, named)
    if isinstance(item, h5py.Group):
        return "structure"
    if not isinstance(item, h5py.Dataset):
        return "type"
    if item.shape is None or "MATLAB_empty" in item.attrs:
        return "empty"
    if item.is_virtual or item.external:
        return "link"
    # MATLAB has complex numbers as pairs; other programs write other things without a class.
    pair = item.dtype.names == ("real", "imag") or item.dtype.kind == "c"
    return "" if item.dtype.kind in "fiu" else "complex" if pair else "no numbers"


def _array(path: Path, stored: Any) -> Samples:
    offset = stored.id.get_offset()  # None where it is compressed, or in pieces
    if offset is None or stored.size == 0:
        return np.asarray(stored[()]).T
    return np.memmap(path, stored.dtype, "r", offset, stored.shape).T


def _h5py() -> Any:
    """The package h5py, which the program does without until such a file comes.

    Raises:
        DeviceError: It is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise DeviceError(
            "MATLAB files of version 7.3 need h5py, which is missing", install("cubes")
        ) from error
    return h5py
