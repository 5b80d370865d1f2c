"""`Cube`: samples in many bands, with everything that must survive beside them."""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serpent_cli.errors import PictureError

Samples = NDArray[Any]
TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")
"""What samples may be."""

GROUP = 16
"""Bands, or rows, that are looked at in one go: a few columns of each touch whole pages of a mapped
file, and a system may map megabytes around a page."""


@dataclass(frozen=True)
class Cube:
    """One cube, which may lie in a file and come into memory only where it is looked at.

    Attributes:
        planes: (T, H, W), bands first; one of `TYPES`, any range. Perhaps a view of a mapped file.
        format: Name of the format, such as "ENVI"; empty when made in memory.
        wavelengths: Of the T bands, in nanometres; None where the file does not tell.
        nodata: The value of samples that were never taken; NaN counts so in any case.
        kept: What the format writes again as it was, by its own names: georeference, layout.
        notes: One sentence for each thing that was decided or is not kept.

    Raises:
        ValueError: Shapes or types do not fit together.
    """

    planes: Samples
    format: str = ""
    wavelengths: tuple[float, ...] | None = None
    nodata: float | None = None
    kept: dict[str, Any] = field(default_factory=dict[str, Any])
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.planes.ndim != 3 or 0 in self.planes.shape:
            raise ValueError(f"planes must be (T, H, W) and not empty, not {self.planes.shape}")
        if self.planes.dtype.name not in TYPES:
            raise ValueError(f"samples must be one of {', '.join(TYPES)}, not {self.planes.dtype}")
        if self.wavelengths is not None and len(self.wavelengths) != len(self.planes):
            raise ValueError(f"{len(self.wavelengths)} wavelengths for {len(self.planes)} bands")

    @property
    def shape(self) -> tuple[int, int, int]:
        """T, H and W."""
        t, h, w = self.planes.shape
        return t, h, w

    def window(self, rows: slice, columns: slice, bands: slice = slice(None)) -> Samples:
        """A copy of a part, (T', H', W') float32, NaN where there are no data.

        It holds on to none of the pages of a mapped file.
        """
        part = self.planes[bands, rows, columns]
        values = np.empty(part.shape, np.float32)
        for some in groups(part):
            values[some] = self.floats(part[some])
            release(self.planes)
        return values

    def floats(self, part: Samples) -> Samples:
        """Some of the samples as float32, NaN where there are no data."""
        values = part.astype(np.float32)
        if self.nodata is not None:
            values[part == self.nodata] = np.nan
        return values


def cast(values: Samples, like: Cube) -> Samples:
    """Numbers as a cube's samples: rounded and held within the range of whole numbers.

    Args:
        values: Floats of any shape; NaN becomes the cube's no-data value, or 0 in whole numbers.
        like: The cube.
    """
    kind = like.planes.dtype
    missing = np.isnan(values)
    if kind.kind == "f":
        made = values.astype(kind)
    else:
        limits = np.iinfo(kind)
        whole = np.rint(np.where(missing, 0, values).astype(np.float64))
        made = np.clip(whole, limits.min, limits.max).astype(kind)
    if like.nodata is not None and bool(missing.any()):
        made[missing] = like.nodata
    return made


def groups(part: Samples) -> Iterator[tuple[slice, ...]]:
    """Indices of one group of a part after the other, in the order in which a file holds them."""
    outermost = int(np.argmax(np.abs(part.strides)))
    for start in range(0, part.shape[outermost], GROUP):
        yield (*[slice(None)] * outermost, slice(start, start + GROUP))


def release(planes: Samples) -> None:
    """Let go of the memory that looking at a mapped file has taken; the file keeps its content."""
    base: Any = planes
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def checked_type(kind: "np.dtype[Any]", name: str) -> None:
    """Refuse samples that are no plain numbers.

    Raises:
        PictureError: They are complex, text, or of another kind.
    """
    if kind.newbyteorder("=").name not in TYPES:
        raise PictureError(
            f"cannot read {name}: its samples are {kind}",
            f"A cube has samples of one of {', '.join(TYPES)}",
        )


def in_nanometres(values: list[float], unit: str = "") -> tuple[float, ...]:
    """Wavelengths in nanometres, whose unit a file may leave open.

    >>> in_nanometres([0.4, 0.5], "Micrometers")
    (400.0, 500.0)
    >>> in_nanometres([400.0, 500.0])
    (400.0, 500.0)
    """
    micrometres = unit.lower() in ("micrometers", "micrometres", "micrometer", "um", "µm", "μm")
    # Without a word: no sensor of light sees 100 nm, and none of those with bands 100 µm.
    unknown = unit.lower() in ("", "unknown") and bool(values) and max(values) < 100
    factor = 1000.0 if micrometres or unknown else 1.0
    return tuple(round(value * factor, 6) for value in values)
