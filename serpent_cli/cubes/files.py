"""Cubes by their file names: which reader, which writer, and writing whole files or none."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from serpent_cli.cubes import arrays, envi, multiband_tiff
from serpent_cli.cubes.cube import Cube, Samples
from serpent_cli.errors import PictureError, UsageError
from serpent_cli.whole_files import new_file

PHOTOGRAPHS = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".jp2", ".bmp", ".gif", ".ppm", ".heic")
NAMES = (".npy", ".mat", ".hdr")
"""Suffixes that say enough: any such file is a cube. ENVI is known by its header."""

ENVI_SUFFIXES = (".hdr", *envi.DATA_SUFFIXES)
_KEPT_BY = {"ENVI": ("fields", "interleave", "suffix"), "TIFF": ("layout", "tags"),
            "NumPy": ("last",), "MATLAB": ("last", "variable", "others")}  # fmt: skip


def read_cube(path: Path, *, variable: str | None = None, bands_first: bool | None = None) -> Cube:
    """Open a cube; it comes into memory where it is looked at, but for most .mat.

    Args:
        path: A multi-band TIFF, an ENVI header or its samples, a .npy or a .mat.
        variable: Of a .mat.
        bands_first: Where the bands of a .npy or .mat are, if not where the shapes say.

    Raises:
        PictureError: Missing, damaged, a photograph, or of an unknown kind.
        DeviceError: A package is missing that it needs.
    """
    suffix = path.suffix.lower()
    if not path.exists():
        raise PictureError(f"cannot read {path}: there is no such file", "Check the name")
    if path.is_dir():
        raise PictureError(f"cannot read {path}: it is a folder, not a cube")
    if suffix in PHOTOGRAPHS:
        raise PictureError(
            f"cannot read {path} as a cube: it is a photograph",
            "`serpent deblur` and `serpent upscale` restore photographs",
        )
    if suffix in (".tif", ".tiff"):
        return multiband_tiff.read(path)
    if suffix == ".npy":
        return arrays.read_npy(path, bands_first=bands_first)
    if suffix == ".mat":
        return arrays.read_mat(path, variable=variable, bands_first=bands_first)
    if envi.header_of(path) is not None:
        return envi.read(path)
    raise PictureError(
        f"cannot read {path}: it is no cube, or of an unknown kind",
        "Readable are multi-band TIFF, ENVI (.hdr), .npy and .mat",
    )


def is_cube(path: Path) -> bool:
    """Whether a name is a cube's: by its suffix, of a TIFF by what is in it.

    Damaged TIFF count as photographs: what is wrong with them is told there.
    """
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        return path.is_file() and multiband_tiff.is_cube(path)
    if suffix in NAMES:
        return not path.is_dir()
    return path.is_file() and suffix not in PHOTOGRAPHS and envi.header_of(path) is not None


def format_of(path: Path) -> str:
    """The format that a name asks for.

    Raises:
        UsageError: None.
    """
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        return "TIFF"
    if suffix in (".npy", ".mat"):
        return {".npy": "NumPy", ".mat": "MATLAB"}[suffix]
    if suffix and suffix in ENVI_SUFFIXES:
        return "ENVI"
    raise UsageError(f"cubes cannot be written as {suffix or path.name}",
                     hint="use .tif, .hdr, .npy or .mat")  # fmt: skip


def files_of(path: Path) -> tuple[Path, ...]:
    """The files that hold a cube of this name, as far as they are there: of ENVI there are two."""
    found = (path,)
    if path.suffix.lower() in ENVI_SUFFIXES:
        header = envi.header_of(path)
        found = (path, header, None if header is None else envi.data_beside(header))
    return tuple(dict.fromkeys(each for each in found if each is not None and each.exists()))


@contextmanager
def written(path: Path, like: Cube) -> Generator[Samples]:
    """Give planes (T, H, W) to fill; when all is well they are the file, otherwise it is untouched.

    Args:
        path: The result; its suffix chooses the format.
        like: Whose shape, type, wavelengths, no-data value and georeference it gets.

    Raises:
        UsageError: No format goes by that suffix.
        PictureError: It cannot be written.
    """
    kind = format_of(path)
    like = replace(like, kept=_kept(like, kind), format=kind)
    header, final = envi.paths_for(path, like) if kind == "ENVI" else (None, path)
    with new_file(final, force=True) as stream:
        planes = _created(Path(stream.name), like, kind)
        yield planes
        if kind == "MATLAB":
            arrays.write_mat(Path(stream.name), like, planes)
        elif isinstance(planes, np.memmap):
            planes.flush()
    if header is not None:
        with new_file(header, force=True) as stream:
            stream.write(envi.header_text(like).encode())


def _created(partial: Path, like: Cube, kind: str) -> Samples:
    if kind == "ENVI":
        return envi.create(partial, like)
    if kind == "TIFF":
        return multiband_tiff.create(partial, like)
    if kind == "NumPy":
        return arrays.create_npy(partial, like)
    arrays.check_mat(like)
    return np.empty(like.shape, like.planes.dtype)


def _kept(like: Cube, kind: str) -> dict[str, object]:
    """What the format of the result can say again; nothing of another format's."""
    if like.format != kind:
        return {}
    return {name: like.kept[name] for name in _KEPT_BY[kind] if name in like.kept}


def lost_between(like: Cube, path: Path) -> list[str]:
    """What the format of a result cannot keep of a cube, one sentence each."""
    kind, lost = format_of(path), list[str]()
    if kind == "NumPy" and like.wavelengths:
        lost.append("The wavelengths are not kept: .npy has no place for them")
    if kind in ("NumPy", "MATLAB") and like.nodata is not None:
        lost.append(f"That {like.nodata:g} means no data is not kept")
    if kind == "MATLAB" and like.kept.get("hdf5"):
        lost.append("It is written in MATLAB's version 5, not 7.3")
    if kind == "MATLAB" and like.kept.get("left_out"):
        lost.append(arrays.unread(like.kept["left_out"]))
    fields, tags = like.kept.get("fields", {}), like.kept.get("tags", {})
    placed = any(name in fields for name in ("map info", "coordinate system string"))
    if kind != like.format and (placed or any(code < 40000 for code in tags)):
        lost.append("The georeference is not kept: it goes from TIFF to TIFF and ENVI to ENVI")
    return lost
