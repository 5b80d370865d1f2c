"""ENVI: a text header `.hdr` beside a file of bare samples (NV5, "ENVI header files").

Fields that are not about the layout of the samples are kept word by word: map info, coordinate
system, wavelengths and their widths, names of bands.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from serpent_cli.cubes.cube import Cube, Samples, in_nanometres
from serpent_cli.errors import PictureError, reason_of

DATA_SUFFIXES = (".img", ".dat", ".raw", ".bin", ".bsq", ".bil", ".bip", "")
TYPE_CODES = {1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 12: "u2", 13: "u4"}
AXES = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (2, 0, 1)}
"""Where the file's own order of axes has bands, rows and columns."""

HEADER_LIMIT = 1 << 22  # bytes
LARGEST_SIDE = 1 << 24
_FIELD = re.compile(r"^\s*([^=\n{}]+?)\s*=\s*(\{[^}]*\}|[^\n]*)", re.MULTILINE)
_LAYOUT = ("samples", "lines", "bands", "header offset", "data type", "interleave", "byte order",
           "file type", "file compression")  # fmt: skip


def header_of(path: Path) -> Path | None:
    """The header that tells of a file, which may be that header itself; None without one."""
    if path.suffix.lower() == ".hdr":
        return path
    for beside in (path.with_name(path.name + ".hdr"), path.with_suffix(".hdr")):
        if beside.is_file():
            return beside
    return None


def data_beside(header: Path) -> Path | None:
    """The file of samples that lies beside a header, which may be yet to be written."""
    stem = header.with_suffix("")
    for suffix in DATA_SUFFIXES:
        for each in (suffix, suffix.upper()):
            data = stem.with_name(stem.name + each)
            if data.is_file() and data != header:
                return data
    return None


def data_of(header: Path) -> Path:
    """The file of samples that a header tells of.

    Raises:
        PictureError: There is none beside it.
    """
    if (data := data_beside(header)) is not None:
        return data
    raise PictureError(
        f"cannot read {header}: no file of samples is beside it",
        f"It has the header's name and one of {', '.join(s for s in DATA_SUFFIXES if s)}, or none",
    )


def read(path: Path) -> Cube:
    """Open a cube by its header or by its file of samples.

    Raises:
        PictureError: Missing, damaged, or a kind that is not read.
    """
    header = header_of(path)
    if header is None:
        raise PictureError(
            f"cannot read {path}: no header {path.with_suffix('.hdr').name} is there"
        )
    data = data_of(header) if path == header else path
    fields = read_fields(header)
    shape, kind, offset, interleave = layout(fields, header)
    planes = mapped(data, shape, kind, offset, interleave)
    return Cube(
        planes, "ENVI", _wavelengths(fields, len(planes)), _number(fields, "data ignore value"),
        {"fields": {n: v for n, v in fields.items() if n not in _LAYOUT},
         "interleave": interleave, "suffix": data.suffix},
    )  # fmt: skip


def read_fields(header: Path) -> dict[str, str]:
    """The fields of a header, names in lower case.

    Raises:
        PictureError: It cannot be read, or is none.
    """
    try:
        with header.open("rb") as file:
            text = file.read(HEADER_LIMIT).decode("utf-8", "replace")
    except OSError as error:
        raise PictureError(f"cannot read {header}: {reason_of(error)}") from None
    if not text.lstrip("\ufeff \t\r\n").startswith("ENVI"):
        raise PictureError(f"cannot read {header}: it is no ENVI header", "It begins with ENVI")
    return {name.lower(): value.strip() for name, value in _FIELD.findall(text)}


def layout(
    fields: dict[str, str], header: Path
) -> tuple[tuple[int, int, int], "np.dtype[Any]", int, str]:
    """Shape (T, H, W), type, offset and interleave of the samples.

    Raises:
        PictureError: A field is missing or names something that is not read.
    """
    try:
        t, h, w = (int(fields[name]) for name in ("bands", "lines", "samples"))
        code, offset = int(fields["data type"]), int(fields.get("header offset", "0"))
        order = int(fields.get("byte order", "0"))
        packed = int(fields.get("file compression", "0"))
    except (KeyError, ValueError) as error:
        raise PictureError(f"cannot read {header}: its header does not tell {error}") from None
    interleave = fields.get("interleave", "bsq").lower()
    if not (min(t, h, w) >= 1 and max(t, h, w) <= LARGEST_SIDE and offset >= 0):
        raise PictureError(f"cannot read {header}: {t} bands of {h}x{w} make no cube")
    if code not in TYPE_CODES or interleave not in AXES or packed or order not in (0, 1):
        raise PictureError(
            f"cannot read {header}: data type {code}, interleave {interleave}, byte order {order}"
            f" or file compression {packed} is not known",
            f"Known are the data types {', '.join(map(str, TYPE_CODES))}, uncompressed",
        )
    return (t, h, w), np.dtype("<>"[order] + TYPE_CODES[code]), offset, interleave


def mapped(
    data: Path, shape: tuple[int, int, int], kind: "np.dtype[Any]", offset: int, interleave: str,
    *, mode: Any = "r",
) -> Samples:  # fmt: skip
    """Planes (T, H, W) in a file of samples.

    Raises:
        PictureError: It is too short, or cannot be read.
    """
    axes = AXES[interleave]
    stored = [0, 0, 0]
    for side, axis in zip(shape, axes, strict=True):
        stored[axis] = side
    try:
        samples = np.memmap(data, kind, mode, offset, tuple(stored))
    except (OSError, ValueError) as error:
        wanted = offset + kind.itemsize * stored[0] * stored[1] * stored[2]
        found = data.stat().st_size if data.is_file() else 0
        why = f"it has {found} of {wanted} bytes" if found < wanted else str(error)
        raise PictureError(f"cannot read {data}: {why}", "Was it cut off?") from None
    return samples.transpose(axes)


def paths_for(path: Path, like: Cube) -> tuple[Path, Path]:
    """Header and file of samples for an output that is named by one of them.

    What lies there already is replaced, whatever its suffix: a reader would find it first.
    """
    if path.suffix.lower() == ".hdr":
        suffix = str(like.kept.get("suffix") or ".img") if like.format == "ENVI" else ".img"
        return path, data_beside(path) or path.with_suffix(suffix)
    return header_of(path) or path.with_suffix(".hdr"), path


def create(data: Path, like: Cube) -> Samples:
    """A file of samples for a cube like another one, to be filled: (T, H, W)."""
    kind = like.planes.dtype.newbyteorder("<")
    if f"{kind.kind}{kind.itemsize}" not in TYPE_CODES.values():
        raise PictureError(f"ENVI files cannot hold samples of {kind}", "Write .npy or .tif")
    return mapped(data, like.shape, kind, 0, like.kept.get("interleave", "bsq"), mode="w+")


def header_text(like: Cube) -> str:
    """The header of a cube like another one."""
    t, h, w = like.shape
    kind = like.planes.dtype
    codes = {name: code for code, name in TYPE_CODES.items()}
    fields = {
        "samples": w, "lines": h, "bands": t, "header offset": 0, "file type": "ENVI Standard",
        "data type": codes[f"{kind.kind}{kind.itemsize}"],
        "interleave": like.kept.get("interleave", "bsq"), "byte order": 0,
        **like.kept.get("fields", {}),
    }  # fmt: skip
    if like.nodata is not None:
        fields.setdefault("data ignore value", f"{like.nodata:.17g}")
    if like.wavelengths and "wavelength" not in fields:
        fields["wavelength units"] = "Nanometers"
        fields["wavelength"] = "{" + ", ".join(f"{value:g}" for value in like.wavelengths) + "}"
    return "ENVI\n" + "".join(f"{name} = {value}\n" for name, value in fields.items())


def _wavelengths(fields: dict[str, str], bands: int) -> tuple[float, ...] | None:
    try:
        values = [float(each) for each in fields.get("wavelength", "").strip("{}").split(",")]
    except ValueError:
        return None
    unit = fields.get("wavelength units", "")
    return in_nanometres(values, unit) if len(values) == bands else None


def _number(fields: dict[str, str], name: str) -> float | None:
    try:
        return float(fields[name])
    except (KeyError, ValueError):
        return None
