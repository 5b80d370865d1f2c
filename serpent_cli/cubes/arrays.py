"""Arrays of programs: NumPy's .npy, and MATLAB's .mat.

SciPy reads .mat up to version 7, and writes version 5, which every MATLAB reads; `matlab_hdf5`
reads version 7.3.

Neither says which axis is the bands. Published cubes have them last, (H, W, T): so that is what an
array is read as, unless its first axis is less than half of the others.
"""

from pathlib import Path
from typing import Any

import numpy as np

from serpent_cli.cubes import matlab_hdf5
from serpent_cli.cubes.cube import Cube, Samples, checked_type, in_nanometres
from serpent_cli.errors import DeviceError, PictureError
from serpent_cli.version import install

WAVELENGTHS = ("wavelengths", "wavelength", "wl", "lambda", "bands_nm")
LARGEST_MAT = 2**31 - 1
"""Bytes of an array in a .mat of version 5."""


def read_npy(path: Path, *, bands_first: bool | None = None) -> Cube:
    """Open a .npy of three axes, mapped.

    Raises:
        PictureError: Missing, damaged, or no cube.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        why = getattr(error, "strerror", None) or "it is no array of numbers"
        raise PictureError(f"cannot read {path}: {why}") from None
    if not isinstance(array, np.ndarray):
        raise PictureError(f"cannot read {path}: it is a collection of arrays", "Save one as .npy")
    planes, last = as_planes(array, str(path), bands_first)
    return Cube(planes, "NumPy", kept={"last": last}, notes=(_note(planes, last),))


def create_npy(path: Path, like: Cube) -> Samples:
    """A .npy for a cube like another one, to be filled: (T, H, W)."""
    t, h, w = like.shape
    last = like.kept.get("last", True)
    shape = (h, w, t) if last else (t, h, w)
    # Whatever the name ends in: it may be a temporary one.
    array = np.lib.format.open_memmap(path, "w+", like.planes.dtype.newbyteorder("<"), shape)
    return np.moveaxis(array, -1, 0) if last else array


def read_mat(path: Path, *, variable: str | None = None, bands_first: bool | None = None) -> Cube:
    """Read a variable of three axes of a .mat; the others are kept.

    Args:
        path: The file.
        variable: Its name, where there are several.
        bands_first: Where the bands are, if not where the shapes say.

    Raises:
        PictureError: Missing, damaged, or without one cube.
        DeviceError: A package that it needs is not installed.
    """
    content, left_out = mat_variables(path)
    cubes = [n for n, v in content.items() if isinstance(v, np.ndarray) and v.ndim == 3]
    if variable is None and len(cubes) != 1:
        found = f"its cubes are {', '.join(cubes)}" if cubes else "no variable has three axes"
        hint = "Choose one with --variable NAME" if cubes or not left_out else unread(left_out)
        raise PictureError(f"cannot read {path}: {found}", hint)
    name = variable or cubes[0]
    if name in left_out:
        raise PictureError(f"cannot read {name} of {path}", unread({name: left_out[name]}))
    if name not in content:
        raise PictureError(
            f"cannot read {path}: it has no variable {name}", f"It has {', '.join(content)}"
        )
    planes, last = as_planes(content.pop(name), f"{name} of {path}", bands_first)
    return Cube(
        planes, "MATLAB", _wavelengths(content, len(planes)),
        kept={"last": last, "variable": name, "others": content, "hdf5": _is_hdf5(path),
              "left_out": left_out},
        notes=(_note(planes, last),),
    )  # fmt: skip


def write_mat(path: Path, like: Cube, planes: Samples) -> None:
    """Write a cube (T, H, W) in the place of another one, with that one's other variables.

    It is a file of version 5; see `check_mat` for what is too large.
    """
    array = np.moveaxis(planes, 0, -1) if like.kept.get("last", True) else planes
    others: dict[str, Any] = dict(like.kept.get("others", {}))
    if like.wavelengths and not any(name in others for name in WAVELENGTHS):
        others["wavelengths"] = np.array(like.wavelengths)
    with path.open("wb") as file:
        _scipy_io().savemat(
            file, {**others, like.kept.get("variable", "cube"): array}, do_compression=True
        )


def as_planes(array: Samples, name: str, bands_first: bool | None) -> tuple[Samples, bool]:
    """View an array of three axes as (T, H, W); and whether its bands were last.

    Raises:
        PictureError: It has other axes, or no numbers.
    """
    if array.ndim != 3 or 0 in array.shape:
        raise PictureError(
            f"cannot read {name} as a cube: its shape is {array.shape}", "A cube has three axes"
        )
    checked_type(array.dtype, name)
    if bands_first is None:
        bands_first = 2 * array.shape[0] < min(array.shape[1:])
    return (array, False) if bands_first else (np.moveaxis(array, -1, 0), True)


def _note(planes: Samples, last: bool) -> str:
    t, h, w = planes.shape
    where = "last" if last else "first"
    return f"Read as {t} bands of {h}x{w}: the {where} axis is taken for the bands"


def unread(left_out: dict[str, str]) -> str:
    """One sentence on variables that are not read.

    >>> unread({"place": "text", "facts": "structure"})
    'Of version 7.3 only arrays of numbers are read and kept, not place (text), facts (structure)'
    """
    named = ", ".join(f"{name} ({kind})" for name, kind in left_out.items())
    return f"Of version 7.3 only arrays of numbers are read and kept, not {named}"


def mat_variables(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """All variables of a .mat by name; and what each is that is not read, as `unread` takes them.

    Raises:
        PictureError: Missing or damaged.
        DeviceError: A package that it needs is not installed.
    """
    if _is_hdf5(path):
        return matlab_hdf5.variables_of(path)
    try:
        with path.open("rb") as file:
            content = _scipy_io().loadmat(file)
    except (
        OSError,
        ValueError,
        TypeError,
        EOFError,
        KeyError,
        MemoryError,
        NotImplementedError,
    ) as error:
        why = getattr(error, "strerror", None) or "it is no MATLAB file, or damaged"
        raise PictureError(f"cannot read {path}: {why}") from error
    return {name: value for name, value in content.items() if not name.startswith("__")}, {}


def _is_hdf5(path: Path) -> bool:
    """Whether a .mat is of version 7.3; what cannot be read is not."""
    try:
        with path.open("rb") as file:
            return matlab_hdf5.SIGNATURE in file.read(matlab_hdf5.HEAD)
    except OSError:
        return False


def check_mat(like: Cube) -> None:
    """Refuse to write what a .mat of version 5 has no room for.

    Raises:
        PictureError: It is 2 GiB or more.
    """
    if like.planes.nbytes > LARGEST_MAT:
        raise PictureError(
            f"a .mat of version 5 has no room for {like.planes.nbytes / 2**30:.1f} GiB",
            "Write it as .hdr, .tif or .npy",
        )


def _wavelengths(others: dict[str, Any], bands: int) -> tuple[float, ...] | None:
    for name, value in others.items():
        known = name.lower() in WAVELENGTHS and isinstance(value, np.ndarray)
        if known and value.size == bands and value.dtype.kind in "fiu":
            return in_nanometres([float(each) for each in value.ravel()])
    return None


def _scipy_io() -> Any:
    """SciPy's reader and writer, which the program does without until a .mat comes.

    Raises:
        DeviceError: It is not installed.
    """
    try:
        import scipy.io
    except ImportError as error:
        raise DeviceError(".mat files need scipy, which is missing", install("cubes")) from error
    return scipy.io
