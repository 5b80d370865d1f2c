"""TIFF of many bands: side by side, in planes or in pages; georeference as GeoTIFF has it.

Kept tag by tag: GeoTIFF's (OGC 19-008r4), and GDAL's two for metadata and no-data values. In a
TIFF without a colour space three samples and more are bands; with one, they are a photograph.
"""

import html
import re
from pathlib import Path
from typing import Any

import numpy as np

from serpent_cli.cubes.cube import Cube, Samples, checked_type, in_nanometres
from serpent_cli.errors import PictureError, reason_of

KEPT_TAGS = (33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113)
GDAL_METADATA, GDAL_NODATA = 42112, 42113
GREY = (0, 1)  # photometric interpretations: white or black is zero
FEWEST = 3  # bands
MANY = 6  # samples of a picture said to be RGB that are more than colours, opacity and one more
_ITEM = re.compile(r"<Item\b([^>]*)>([^<]*)</Item>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r'(\w+)\s*=\s*"([^"]*)"')


def read(path: Path) -> Cube:
    """Open a TIFF of three bands and more.

    Raises:
        PictureError: Missing, damaged, or a photograph.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            return _read(file, path)
    except PictureError:
        raise
    except (tifffile.TiffFileError, OSError, ValueError, IndexError, KeyError) as error:
        raise PictureError(
            f"cannot read {path}: {reason_of(error)}", "Is it a whole TIFF?"
        ) from None


def is_cube(path: Path) -> bool:
    """Whether a file is a TIFF of bands; a damaged one is not."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            return _layout(file) is not None
    except (tifffile.TiffFileError, OSError, ValueError, IndexError, KeyError):
        return False


def _layout(file: Any) -> str | None:
    """How bands lie in a TIFF: in pages, side by side, or in planes; None: it is a photograph."""
    page, pages = file.pages[0], len(file.pages)
    samples, grey = int(page.samplesperpixel), int(page.photometric) in GREY
    if samples == 1 and pages >= FEWEST and grey:
        return "pages"
    if samples >= (FEWEST if grey else MANY) and pages == 1:
        return "contig" if int(page.planarconfig) == 1 else "separate"
    return None


def _read(file: Any, path: Path) -> Cube:
    page, layout = file.pages[0], _layout(file)
    if layout == "pages":
        alike = all(other.shape == page.shape and other.dtype == page.dtype for other in file.pages)
        if not alike:
            raise PictureError(f"cannot read {path} as a cube: its pages differ in size or depth")
    if layout is None:
        samples = int(page.samplesperpixel)
        raise PictureError(
            f"cannot read {path} as a cube: it is a photograph with {samples} channel"
            f"{'s' if samples > 1 else ''}",
            "`serpent deblur` and `serpent upscale` restore photographs",
        )
    stored = _samples(file, layout)
    checked_type(stored.dtype, str(path))
    planes = np.moveaxis(stored, -1, 0) if layout == "contig" else stored
    tags = {code: page.tags[code] for code in KEPT_TAGS if code in page.tags}
    kept = {code: (tag.dtype, tag.count, tag.value) for code, tag in tags.items()}
    notes = ("It was compressed; the result is not.",) if int(page.compression) != 1 else ()
    return Cube(
        planes, "TIFF", _wavelengths(kept, len(planes)), _nodata(kept),
        {"layout": layout, "tags": kept}, notes,
    )  # fmt: skip


def _samples(file: Any, layout: str) -> Samples:
    """(H, W, T), or (T, H, W) in planes and pages; mapped where the file is not compressed."""
    series = file.series[0]
    first, count = file.pages[0], len(file.pages)
    bands = count if layout == "pages" else int(first.samplesperpixel)
    height, width = int(first.imagelength), int(first.imagewidth)
    shape = (height, width, bands) if layout == "contig" else (bands, height, width)
    if series.dataoffset is not None and series.size == height * width * bands:
        kind = series.dtype.newbyteorder(file.byteorder)
        return np.memmap(file.filehandle.path, kind, "r", series.dataoffset, shape)
    # Decoded into a temporary file: what does not fit into memory is still read.
    if layout == "pages":
        return file.asarray(key=range(count), out="memmap").reshape(shape)
    return first.asarray(out="memmap").reshape(shape)


def create(path: Path, like: Cube) -> Samples:
    """A TIFF for a cube like another one, to be filled: (T, H, W)."""
    import tifffile

    t, h, w = like.shape
    layout = like.kept.get("layout", "separate")
    stored = tifffile.memmap(
        path,
        shape=(h, w, t) if layout == "contig" else (t, h, w),
        dtype=like.planes.dtype.newbyteorder("<"),
        photometric="minisblack",
        planarconfig=None if layout == "pages" else layout,
        extratags=_tags(like),
        metadata=None,
    )
    return np.moveaxis(stored, -1, 0) if layout == "contig" else stored


def _tags(like: Cube) -> list[tuple[int, Any, int, Any, bool]]:
    """Georeference and metadata, as they were or from another format."""
    kept: dict[int, tuple[Any, int, Any]] = dict(like.kept.get("tags", {}))
    if like.nodata is not None and GDAL_NODATA not in kept:
        kept[GDAL_NODATA] = ("s", 0, f"{like.nodata:.17g}")
    if like.wavelengths and GDAL_METADATA not in kept:
        items = "".join(
            f'<Item name="wavelength" sample="{band}">{value:g}</Item>'
            for band, value in enumerate(like.wavelengths)
        )
        units = '<Item name="wavelength_units">Nanometers</Item>'
        kept[GDAL_METADATA] = ("s", 0, f"<GDALMetadata>{units}{items}</GDALMetadata>")
    return [
        (code, kind, 0 if isinstance(value, str) else count, value, True)
        for code, (kind, count, value) in kept.items()
    ]


def _nodata(kept: dict[int, tuple[Any, int, Any]]) -> float | None:
    try:
        return float(kept[GDAL_NODATA][2])
    except (KeyError, TypeError, ValueError):
        return None


def _wavelengths(kept: dict[int, tuple[Any, int, Any]], bands: int) -> tuple[float, ...] | None:
    """Of GDAL's metadata, in which each band may have an item of that name."""
    text = kept.get(GDAL_METADATA, ("s", 0, ""))[2]
    found: dict[int, float] = {}
    unit = ""
    for attributes, value in _ITEM.findall(text if isinstance(text, str) else ""):
        named = {name.lower(): each for name, each in _ATTRIBUTE.findall(attributes)}
        name = named.get("name", "").lower()
        if name in ("wavelength_units", "wavelength units"):
            unit = html.unescape(value).strip()
        elif name == "wavelength" and named.get("sample", "").isdigit():
            try:
                found[int(named["sample"])] = float(value)
            except ValueError:
                return None
    if sorted(found) != list(range(bands)):
        return None
    return in_nanometres([found[band] for band in range(bands)], unit)
