"""A pair of cubes in the page: both in the colours of three bands, their spectra, the figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serpent_cli.compare import page
from serpent_cli.compare.composite import composites, spread_bands, visible_bands
from serpent_cli.compare.embed import data_address, on_grid, thumbnail
from serpent_cli.compare.facts import describe_cube, facts, reduced
from serpent_cli.compare.pairs import Pair
from serpent_cli.compare.spectra import spectra
from serpent_cli.compare.view import View, plan_view
from serpent_cli.cubes.cube import Cube
from serpent_cli.cubes.files import is_cube, read_cube
from serpent_cli.cubes.likeness import Likeness, likeness
from serpent_cli.cubes.scale import full_scale
from serpent_cli.errors import PictureError, UsageError
from serpent_cli.imaging.read import check_size, read_size

UNLIKE = 4.0
"""Times that the brightest samples of two cubes differ, beyond which they may be of two units."""


@dataclass(frozen=True)
class CubeReading:
    """How cubes are read.

    Attributes:
        variable: Of a .mat file, where it has several.
        bands_first: Where the bands of a .npy or .mat are, if not where the shapes say.
        white: The sample that counts as full scale; None: the brightest but for 1 in 1000.
    """

    variable: str | None = None
    bands_first: bool | None = None
    white: float | None = None

    def read(self, path: Path) -> Cube:
        """Open a cube.

        Raises:
            PictureError: It cannot be read.
            DeviceError: A package is missing that it needs.
        """
        return read_cube(path, variable=self.variable, bands_first=self.bands_first)


@dataclass(frozen=True)
class CubeFigures:
    """How alike two cubes are.

    Attributes:
        bands: T.
        full: The sample that counts as full scale.
        likeness: In terms of it.
    """

    bands: int
    full: float
    likeness: Likeness


def are_cubes(pair: Pair) -> bool:
    """Whether a pair is two cubes; False: two pictures.

    A TIFF that is both, colours and other samples beside them, is a picture beside a picture.

    Raises:
        UsageError: One is a cube, the other a photograph.
    """
    cubes = [path for path in (pair.before, pair.after) if is_cube(path)]
    if len(cubes) != 1:
        return bool(cubes)
    try:
        read_size(cubes[0])
    except PictureError:
        other = pair.after if cubes[0] == pair.before else pair.before
        raise UsageError(
            f"{cubes[0]} is a cube of many bands, and {other} is a photograph",
            "compare two cubes, or two photographs",
        ) from None
    return False


def plan_cubes(pair: Pair, reading: CubeReading) -> View:
    """How large two cubes are shown.

    Raises:
        UsageError: Their shapes differ.
        PictureError: One cannot be read.
    """
    shapes = [reading.read(path).shape for path in (pair.before, pair.after)]
    if shapes[0] != shapes[1]:
        first, second = (f"{t} bands of {w}x{h}" for t, h, w in shapes)
        raise UsageError(
            f"{pair.before} has {first} and {pair.after} has {second}: they cannot be compared",
            "compare a cube with a version of itself; --bands says which axis the bands are",
        )
    view = plan_view(shapes[0][1:], shapes[1][1:])
    assert view is not None  # of one size
    return view


def prepare_cubes(
    pair: Pair, view: View, number: int, reading: CubeReading, *, lossless: bool, samples: int,
    max_pixels: int,
) -> tuple[list[bytes], CubeFigures, list[str]]:  # fmt: skip
    """Read a pair, and make its blocks of the page.

    Args:
        pair: Two cubes of one shape.
        view: How large they are shown.
        number: The pair's, from 0.
        reading: How they are read.
        lossless: Show exact composites.
        samples: How many the spectra may have.
        max_pixels: Larger cubes are refused.

    Returns:
        The blocks, how alike the cubes are, and remarks on what is shown.

    Raises:
        PictureError: One cannot be read, or has too many pixels.
    """
    before, after = (reading.read(path) for path in (pair.before, pair.after))
    count, height, width = before.shape
    check_size(height, width, str(pair.before), max_pixels)
    scales = [full_scale(cube) for cube in (before, after)]
    full = reading.white or max(scales)
    figures = CubeFigures(count, full, likeness(before, after, full))
    found = visible_bands(before.wavelengths or after.wavelengths)
    bands = found or spread_bands(count)
    table, codes = spectra(before, after, bands, samples)
    pictures = composites(before, after, bands)
    notes = [
        _colours(table["shown"], table["unit"], seen=found is not None),
        "In each of the three, 1\u00a0% of the samples of both cubes is black and 1\u00a0% is full",
        *_remarks((before, after), scales, table["step"]),
        *reduced(view),
    ]
    alphas = [picture.alpha is not None for picture in pictures]
    if any(alphas):
        notes.append("What has no data is transparent")
    if not lossless and not all(alphas):
        notes.append("The copies in this page are lossy: JPEG, quality 95")
    for title, cube in (("Before", before), ("After", after)):
        notes += [f"{title}: {sentence}" for sentence in cube.notes]
    about = facts(
        pair, view, [describe_cube(*each) for each in ((before, pair.before), (after, pair.after))],
        _distance(figures), notes, alpha=any(alphas),
    )  # fmt: skip
    about |= {"spectra": table, "thumbnail": thumbnail(pictures[1])}
    blocks = [
        page.copy_block(kind, number, data_address(on_grid(picture, view), lossless=lossless))
        for kind, picture in zip(("before", "after"), pictures, strict=True)
    ]
    return [
        page.facts_block(about), *blocks, page.copy_block("spectra", number, codes)
    ], figures, notes  # fmt: skip


def _colours(shown: Sequence[float], unit: str, *, seen: bool) -> str:
    """Which bands are shown, in a sentence."""
    red, green, blue = (f"{each:g}" for each in shown)
    if unit == "nm":
        which = f"the bands at {red}, {green} and {blue} nm"
    else:
        which = f"the bands {red}, {green} and {blue}, counted from 1"
    return f"Red, green and blue are {which}" + ("" if seen else ": false colours")


def _remarks(cubes: tuple[Cube, Cube], scales: list[float], step: int) -> list[str]:
    """What one should know of the figures and the spectra."""
    made = list[str]()
    if step > 1:
        made.append(
            f"The page has room for the spectrum of one pixel in {step} × {step}: the one nearest"
            " to the cursor is shown"
        )
    if max(scales) > UNLIKE * min(scales):
        first, second = (f"{each:.4g}" for each in scales)
        made.append(
            f"The brightest samples are {first} before and {second} after: are both of one unit?"
        )
    known = [cube.wavelengths for cube in cubes if cube.wavelengths]
    if len(set(known)) > 1:
        made.append("The two name different wavelengths: those of before are shown")
    return made


def _distance(figures: CubeFigures) -> str:
    """The figures in words."""
    alike = figures.likeness
    if alike.same:
        return "the same samples"
    known = {
        "MPSNR {:.2f} dB": alike.mpsnr,
        "SSIM {:.4f}": alike.mssim,
        "spectral angle {:.2f}°": alike.sam,
    }
    words = [text.format(value) for text, value in known.items() if not math.isnan(value)]
    if not words:
        return ""
    return f"{', '.join(words)} between the two; full scale is {figures.full:.6g}"
