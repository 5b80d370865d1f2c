"""Any pictures, read by us and by others.

Each file is read by us, Pillow, tifffile and imagecodecs. Ours deviates where its depth is less
than that of any of them, or where none of them agrees with its size, its transparency or its mean
colour; or where it calls a file damaged, or fails on one, that another reads. A deviation that a
warning tells of is listed; one without is a defect, and the exit code is 1.
"""

import argparse
import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageOps

from serpent_cli.errors import PictureError
from serpent_cli.imaging.read import read_picture
from tests.endurance.report import Check

MAX_PIXELS = 100_000_000
CLOSE = 2 / 255
"""Least difference of mean colours that counts: decoders round, and smooth chroma, in their way."""

DAMAGED = "damaged or truncated"
_INKS = 4


@dataclass(frozen=True)
class Seen:
    """What a reader sees of a picture.

    Attributes:
        size: Rows and columns.
        bits: Bits per sample.
        alpha: Something of it is transparent; None where the reader does not tell.
        colour: Mean of red, green and blue in [0, 1], weighted with opacity; None where the reader
            gives no colours, such as indices or inks.
    """

    size: tuple[int, int]
    bits: int
    alpha: bool | None
    colour: tuple[float, float, float] | None


@dataclass(frozen=True)
class Deviation:
    """A picture that others see in another way.

    Attributes:
        path: The file.
        what: In what it deviates.
        detail: What ours sees, and what the others do.
        said: Our warnings tell of something.
    """

    path: Path
    what: str
    detail: str
    said: bool


def seen(samples: np.ndarray, *, bits: int | None = None, white: float | None = None) -> Seen:
    """Gather what an array (H, W) or (H, W, C) shows; 2 and 4 channels end with alpha."""
    samples = samples[..., None] if samples.ndim == 2 else samples
    if samples.dtype == bool:
        samples, white = samples.astype(np.uint8), 1
    if white is None:
        white = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)
    channels = samples.shape[2]
    unit = samples.reshape(-1, channels).astype(np.float32) / np.float32(white)
    alpha = unit[:, -1] if channels in (2, 4) else np.ones(len(unit), np.float32)
    colours = unit[:, : 1 if channels < 3 else 3]
    total = float(alpha.sum(dtype=np.float64))
    weighted = np.einsum("ij,i->j", colours.astype(np.float64), alpha.astype(np.float64))
    mean = weighted / total if total else np.zeros(colours.shape[1])
    red, green, blue = np.broadcast_to(mean, 3).tolist()
    depth = bits or samples.dtype.itemsize * 8
    return Seen(samples.shape[:2], depth, bool(alpha.min() < 1), (red, green, blue))


def by_us(path: Path) -> tuple[Seen, tuple[str, ...]]:
    """Ours, with its warnings."""
    picture = read_picture(path, max_pixels=MAX_PIXELS)
    return seen(picture.channels()), picture.warnings


def by_pillow(path: Path) -> Seen:
    """Pillow's, upright; more than 8 bits of colour it has not."""
    with Image.open(path) as image:
        image.load()
        # EXIF alone counts; Pillow would go by XMP too.
        exif = image.getexif().get(0x0112, 1)
        for key in ("xmp", "XML:com.adobe.xmp"):
            image.info.pop(key, None)
        upright = ImageOps.exif_transpose(image) if exif in range(2, 9) else image
        if upright.mode.startswith(("I", "F")):
            samples = np.asarray(upright)
            if samples.dtype.kind != "i":
                return seen(samples)
            # Its whole numbers have 32 bits, whatever the file has.
            return seen(samples, white=65535, bits=16 if samples.max() < 1 << 16 else 32)
        alpha = upright.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in upright.info
        return seen(np.asarray(upright.convert("RGBA" if alpha else "RGB")))


def by_tifffile(path: Path) -> Seen:
    """The first page of a TIFF, as it is stored."""
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        samples = page.asarray(squeeze=False).reshape(page.shaped)
        one = page.shaped[0] == 1
        samples = samples[0, 0] if one else np.moveaxis(samples[:, 0, ..., 0], 0, 2)
        bits: Any = page.bitspersample
        alpha = any(int(each) in (1, 2) for each in page.extrasamples)
        colours = {0: 1, 1: 1, 2: 3}.get(int(page.photometric), 0)
        turn = page.tags.valueof(274, 1)
    size = samples.shape[1::-1] if turn in (5, 6, 7, 8) else samples.shape[:2]
    bits = int(max(bits)) if isinstance(bits, tuple) else int(bits)
    if not colours or int(page.photometric) == 0 or samples.dtype.kind not in "buf":
        return Seen(size, bits, None, None)
    kept = samples[..., : colours + alpha]
    white = float((1 << bits) - 1) if samples.dtype.kind in "bu" else None
    found = seen(kept, bits=bits, white=white)
    premultiplied = alpha and int(page.extrasamples[0]) == 1
    return Seen(size, bits, found.alpha, None if premultiplied else found.colour)


def by_imagecodecs(path: Path) -> Seen:
    """As it is stored; four channels of a JPEG or TIFF are inks."""
    samples = np.asarray(imagecodecs.imread(path))
    while samples.ndim > 3 and samples.shape[0] == 1:
        samples = samples[0]
    if samples.ndim not in (2, 3) or samples.dtype.kind not in "buf":
        raise ValueError("not a picture")
    head = path.read_bytes()[:34]
    inks = head[:2] in (b"\xff\xd8", b"II", b"MM")
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    # Its decoder of BMP knows the usual bit masks only.
    masked = head[:2] == b"BM" and head[30:34] != bytes(4)
    if channels > _INKS or (channels == _INKS and inks) or masked:
        return Seen(samples.shape[:2], samples.dtype.itemsize * 8, None, None)
    twelve = head[:2] == b"\xff\xd8" and samples.dtype == np.uint16
    return seen(samples, white=4095 if twelve else None)


OTHERS: dict[str, Callable[[Path], Seen]] = {
    "Pillow": by_pillow,
    "tifffile": by_tifffile,
    "imagecodecs": by_imagecodecs,
}


def others(path: Path) -> dict[str, Seen]:
    """What each of the others sees that reads the file at all."""
    found: dict[str, Seen] = {}
    for name, read in OTHERS.items():
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(io.StringIO()):
                found[name] = read(path)
    return found


def deviations(path: Path) -> list[Deviation]:
    """Compare all readers on one file; empty where nobody takes it for a picture."""
    try:
        ours, said = by_us(path)
    except PictureError as error:
        if DAMAGED not in error.message or not (theirs := others(path)):
            return []
        return [Deviation(path, "called damaged", f"{', '.join(theirs)} read it", False)]
    except Exception as error:  # noqa: BLE001 (a bug of ours is a finding)
        return [Deviation(path, "failed", f"{type(error).__name__}: {error}"[:200], False)]
    theirs = others(path)
    return [Deviation(path, what, told, bool(said)) for what, told in _compared(ours, theirs)]


def _compared(ours: Seen, theirs: dict[str, Seen]) -> Iterator[tuple[str, str]]:
    def told(value: Callable[[Seen], object]) -> str:
        return ", ".join(f"{name} {value(each)}" for name, each in {"ours": ours, **theirs}.items())

    if not theirs:
        return
    if all(each.size != ours.size for each in theirs.values()):
        yield "size", told(lambda each: f"{each.size[1]}x{each.size[0]}")
    if any(each.bits > ours.bits for each in theirs.values()):
        yield "depth", told(lambda each: each.bits)
    alphas = [each.alpha for each in theirs.values() if each.alpha is not None]
    if alphas and ours.alpha not in alphas:
        yield "alpha", told(lambda each: each.alpha)
    coloured = [each for each in theirs.values() if each.colour is not None]
    if coloured and not any(_alike(ours, each) for each in coloured):
        yield "colour", told(lambda each: [round(255 * value, 1) for value in each.colour or ()])


def _alike(ours: Seen, theirs: Seen) -> bool:
    pairs = zip(ours.colour or (), theirs.colour or (), strict=True)
    return all(abs(a - b) <= CLOSE for a, b in pairs)


def files_in(folders: Iterable[Path]) -> list[Path]:
    """All files below some folders, or the files themselves."""
    found: list[Path] = []
    for each in folders:
        found += (
            sorted(file for file in each.rglob("*") if file.is_file()) if each.is_dir() else [each]
        )
    return found


def add_options(parser: argparse.ArgumentParser) -> None:
    """What this driver may be told."""
    parser.add_argument(
        "--folder", type=Path, nargs="+", required=True, metavar="DIR", help="folders, or files"
    )


def checks(given: argparse.Namespace) -> list[Check]:
    """Compare the readers on all pictures of some folders."""
    return compared(given.folder)


def compared(folders: Iterable[Path]) -> list[Check]:
    """A check for all pictures, and for each deviation."""
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    files = files_in(folders)
    found = [each for file in files for each in deviations(file)]
    defects = [each for each in found if not each.said]
    table = [Check(f"{len(files)} files, deviations without a warning", len(defects), most=0)]
    for each in found:
        title = f"{each.path} {each.what}: {each.detail}"
        table.append(Check(title, int(not each.said), "said" if each.said else "", most=0))
    return table
