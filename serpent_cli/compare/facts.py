"""What the page says about a pair, in words."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from serpent_cli.compare.pairs import Pair
from serpent_cli.compare.view import View
from serpent_cli.cubes.cube import Cube
from serpent_cli.cubes.files import files_of
from serpent_cli.imaging.picture import Picture

_DEPTHS = {"uint8": "8-bit", "uint16": "16-bit", "float32": "32-bit float"}


def describe(picture: Picture, path: Path) -> str:
    """One line about a file: name, size, format, depth, bytes."""
    kind = f"{picture.format} {_DEPTHS[picture.pixels.dtype.name]}".strip()
    kind += " grey" if picture.grey else ""
    kind += " with transparency" if picture.alpha is not None else ""
    size = f"{picture.width} × {picture.height}"
    return _line(path.name, size, kind, _amount(path.stat().st_size))


def describe_cube(cube: Cube, path: Path) -> str:
    """One line about a cube: name, size, bands, format, type of samples, bytes."""
    count, height, width = cube.shape
    known = f"{count} bands" if count != 1 else "1 band"
    if cube.wavelengths:
        known += f" from {min(cube.wavelengths):g} to {max(cube.wavelengths):g} nm"
    kind = f"{cube.format} {cube.planes.dtype.name}".strip()
    amount = _amount(sum(each.stat().st_size for each in files_of(path)))
    return _line(path.name, f"{width} × {height}", known, kind, amount)


def distance(psnr: float | None) -> str:
    """The figure between the two, in words; empty where there is none."""
    if psnr is None:
        return ""
    return "the same pixels" if math.isinf(psnr) else f"PSNR {psnr:.2f} dB between the two"


def remarks(before: Picture, after: Picture, view: View, *, lossless: bool) -> list[str]:
    """Say in which ways the copies in the page differ from the files."""
    notes: list[str] = []
    if view.enlarged is not None:
        title = view.enlarged.capitalize()
        notes.append(f"{title} is {_times(view.factor)} smaller and shown enlarged")
    notes += reduced(view)
    if not lossless and (before.alpha is None or after.alpha is None):
        notes.append("The copies in this page are lossy: JPEG, quality 95")
    if any(picture.pixels.dtype != "uint8" for picture in (before, after)):
        notes.append("Shown in 8 bits; the figures are of the files' own depths")
    for title, picture in (("Before", before), ("After", after)):
        notes += [f"{title}: {warning}" for warning in picture.warnings]
    return notes


def reduced(view: View) -> list[str]:
    """Say that the copies are smaller than the files, if they are."""
    if view.share == 1:
        return []
    return [f"Shown reduced to {view.share:.1%} of the larger picture's width and height"]


def facts(
    pair: Pair, view: View, about: Sequence[str], apart: str, notes: list[str], *, alpha: bool
) -> dict[str, Any]:
    """Gather what the page's script wants to know about a pair.

    Args:
        pair: The two files.
        view: How large they are shown.
        about: A line about each.
        apart: The figures between them, in words.
        notes: How the copies differ from the files.
        alpha: Something of them is transparent.
    """
    before, after = about
    return {
        "name": pair.name,
        "width": view.width,
        "height": view.height,
        "enlarged": view.enlarged,
        "before": before,
        "after": after,
        "distance": apart,
        "notes": notes,
        "alpha": alpha,
    }


def _line(name: str, *figures: str) -> str:
    """Lines break between figures, not inside them."""
    return " · ".join((name, *(text.replace(" ", "\u00a0") for text in figures)))


def _amount(count: int) -> str:
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1e3:.0f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"


def _times(factor: float) -> str:
    return f"{factor:.3g} times"
