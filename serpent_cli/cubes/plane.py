"""Single planes: the snapshot of a coded aperture, and its mask."""

from pathlib import Path
from typing import Any

import numpy as np

from serpent_cli.cubes.arrays import mat_variables, unread
from serpent_cli.cubes.cube import Samples, checked_type
from serpent_cli.errors import PictureError


def read_plane(path: Path) -> Samples:
    """Read (H, W) samples of a .npy, a .mat with one matrix, a .tif or a .png.

    Raises:
        PictureError: Missing, damaged, no single plane, or of an unknown kind.
        DeviceError: A package is missing that a .mat needs.
    """
    if not path.is_file():
        raise PictureError(f"cannot read {path}: there is no such file", "Check the name")
    plane = _read(path)
    plane = plane.squeeze() if plane.ndim > 2 else plane
    if plane.ndim != 2 or 0 in plane.shape:
        raise PictureError(f"cannot read {path} as a plane: its shape is {plane.shape}")
    checked_type(plane.dtype, str(path))
    if not bool(np.isfinite(plane).all()):
        raise PictureError(f"cannot read {path}: it holds numbers that are not finite")
    return plane


def _read(path: Path) -> Samples:
    suffix = path.suffix.lower()
    if suffix == ".mat":
        content, left_out = mat_variables(path)
        matrices = {
            name: value
            for name, value in content.items()
            if isinstance(value, np.ndarray) and value.ndim >= 2 and value.size > 1
        }
        if len(matrices) != 1:
            names = ", ".join(matrices) or "none"
            raise PictureError(
                f"cannot read {path}: it must hold one matrix, and has {names}",
                unread(left_out) if left_out and not matrices else None,
            )
        return next(iter(matrices.values()))
    readers: dict[str, Any] = {".npy": _npy, ".tif": _tiff, ".tiff": _tiff, ".png": _png}
    if suffix not in readers:
        raise PictureError(
            f"cannot read {path}: a plane of an unknown kind", "Readable are .npy, .mat, .tif, .png"
        )
    try:
        return np.asarray(readers[suffix](path))
    except (OSError, ValueError, EOFError, KeyError, IndexError, SyntaxError) as error:
        raise PictureError(f"cannot read {path}: it is damaged, or no {suffix}") from error


def _npy(path: Path) -> Samples:
    return np.load(path, allow_pickle=False)


def _tiff(path: Path) -> Samples:
    import tifffile

    try:
        return tifffile.imread(path)
    except tifffile.TiffFileError as error:
        raise ValueError(str(error)) from error


def _png(path: Path) -> Samples:
    from PIL import Image

    with Image.open(path, formats=["PNG"]) as picture:
        if picture.mode not in ("L", "I;16", "I"):
            raise PictureError(
                f"cannot read {path}: a plane is grey, and its mode is {picture.mode}"
            )
        samples = np.asarray(picture)
    return samples.astype(np.uint16) if samples.dtype == np.int32 else samples
