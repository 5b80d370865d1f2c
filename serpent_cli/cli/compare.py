"""`serpent compare`."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serpent_cli.cli import console, cube_files, options
from serpent_cli.cli.help_pages import show_examples
from serpent_cli.cli.progress_bar import progress_bar
from serpent_cli.errors import NoInputError, SerpentError, UsageError

if TYPE_CHECKING:
    from serpent_cli.compare.cube_pair import CubeFigures, CubeReading
    from serpent_cli.compare.page_writer import Shown
    from serpent_cli.compare.pairs import Pair, Pairing

NAMED = 8  # so many files without a partner are named, the others counted

Page = Annotated[
    Path, typer.Option("-o", "--output", metavar="PAGE", help="The page to write, an .html file.")
]
Recursive = Annotated[
    bool,
    typer.Option(
        "-r",
        "--recursive",
        help="Include subfolders, as `serpent deblur -r` makes them.",
    ),
]
Lossless = Annotated[
    float,
    typer.Option(
        "--lossless",
        min=0,
        metavar="MEGAPIXELS",
        help="Keep exact copies (PNG) up to this many megapixels in all; above it, JPEG.",
    ),
]


def compare(
    before: Annotated[Path, typer.Argument(help="A picture, a cube, or a folder of them.")],
    after: Annotated[
        Path, typer.Argument(help="The restored one, or the folder: any size, same shape.")
    ],
    output: Page,
    recursive: Recursive = False,
    lossless: Lossless = 64,
    force: options.Force = False,
    max_pixels: options.MaxPixels = options.DEFAULT_MAX_PIXELS,
    variable: cube_files.Variable = None,
    bands: cube_files.Bands = "auto",
    white: cube_files.White = None,
    open_page: Annotated[bool, typer.Option("--open", help="Show the page in a browser.")] = False,
    quiet: options.Quiet = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object about the page.")] = False,
) -> None:
    """Write a page with a slider between before and after; it opens without a network.

    Two folders give one page with all pictures and cubes that have the same name in both; with -r,
    the same name in the same subfolder. The page holds copies of the pictures: without their EXIF
    data, such as places, but with their names.

    Two cubes of many bands, of one shape, are shown in the colours of three bands, both stretched
    alike, with the spectra of both at the cursor. --variable, --bands and --white are for them.
    """
    from serpent_cli.compare.cube_pair import CubeReading
    from serpent_cli.compare.page_writer import PairCallbacks, write_page

    cube_files.check_white(white)
    found = _pairs(before, after, recursive=recursive)
    reading = CubeReading(variable, cube_files.bands_first(bands), white)
    _refuse_cube_options(reading, found)
    failures: list[tuple[Pair, SerpentError]] = []

    def failed(pair: "Pair", error: SerpentError) -> None:
        failures.append((pair, error))
        console.error(error)

    with progress_bar(len(found.pairs), "pictures", quiet=quiet) as bar:

        def begun(pair: "Pair") -> None:
            bar.file(pair.name)
            bar.advance()

        shown = write_page(
            found.pairs, output, force=force, lossless_pixels=round(lossless * 1e6),
            max_pixels=max_pixels, callbacks=PairCallbacks(begun, failed), reading=reading,
        )  # fmt: skip
    if json:
        console.json_line(_record(output, shown, found, failures))
    elif not quiet:
        console.result(str(output))
    if open_page:
        import webbrowser

        webbrowser.open(output.resolve().as_uri())
    if failures:
        raise typer.Exit(1)


show_examples(
    compare,
    ("serpent compare in.png out.png -o report.html", "two pictures"),
    ("serpent compare small.jpg small_x4.jpg -o report.html", "of different sizes"),
    ("serpent compare holiday/ holiday_deblurred/ -o report.html", "two folders, paired by name"),
    ("serpent compare -r photos/ sharp/ -o report.html", "with their subfolders"),
    ("serpent compare scene.hdr scene_denoised.hdr -o report.html", "two cubes of many bands"),
)


def _refuse_cube_options(reading: "CubeReading", found: "Pairing") -> None:
    """Refuse options that do not belong to photographs.

    Raises:
        UsageError: One of them is given, and no pair is one of cubes.
    """
    given = {"variable": reading.variable, "bands": reading.bands_first, "white": reading.white}
    names = [name for name, value in given.items() if value is not None]
    if names and not any(map(_has_cubes, found.pairs)):
        raise UsageError(f"--{names[0]} is for cubes, not for photographs", "leave it out")


def _has_cubes(pair: "Pair") -> bool:
    """Whether options of cubes are for a pair; what is wrong with it is told when it is read."""
    from serpent_cli.compare.cube_pair import are_cubes

    try:
        return are_cubes(pair)
    except UsageError:
        return True


def _pairs(before: Path, after: Path, *, recursive: bool) -> "Pairing":
    """The pairs that are meant; what has no partner is named."""
    from serpent_cli.compare.pairs import Pair, Pairing, pair_by_name

    first = _pictures(before, recursive=recursive, apart=after)
    second = _pictures(after, recursive=recursive)
    if before.is_dir() != after.is_dir():
        raise UsageError(
            f"one of {before} and {after} is a folder, the other a file",
            "give two pictures or two folders",
        )
    if not before.is_dir():
        return Pairing((Pair(before, after),), (), ())
    found = pair_by_name(first, second, (before, after) if recursive else None)
    if not found.pairs:
        raise NoInputError(
            f"no picture or cube in {before} has the name of one in {after}",
            "restore a folder with -o and names are kept",
        )
    if lonely := [str(path) for path in (*found.lonely_before, *found.lonely_after)]:
        more = f" and {len(lonely) - NAMED} more" if len(lonely) > NAMED else ""
        console.warning(f"left out without a partner: {', '.join(lonely[:NAMED])}{more}")
    return found


def _pictures(place: Path, *, recursive: bool, apart: Path | None = None) -> list[Path]:
    """A file itself, or what a folder holds, pictures and cubes, another folder in it left out."""
    from serpent_cli.batch.sources import find_sources
    from serpent_cli.cubes.files import NAMES
    from serpent_cli.imaging.formats import PICTURE_SUFFIXES

    suffixes = PICTURE_SUFFIXES.union(NAMES)
    sources = find_sources([place], recursive=recursive, output=apart, suffixes=suffixes)
    found = (source.place for source in sources.pictures)
    return [path for path in found if isinstance(path, Path)]


def _record(
    output: Path,
    shown: "list[Shown]",
    found: "Pairing",
    failures: "list[tuple[Pair, SerpentError]]",
) -> dict[str, Any]:
    return {
        "output": str(output),
        "bytes": output.stat().st_size,
        "pairs": [_pair(entry) for entry in shown],
        "unpaired": [str(path) for path in (*found.lonely_before, *found.lonely_after)],
        "failed": [
            {
                "before": str(pair.before),
                "after": str(pair.after),
                "error": error.message,
                "hint": error.hint,
            }
            for pair, error in failures
        ],
    }


def _pair(entry: "Shown") -> dict[str, Any]:
    record: dict[str, Any] = {
        "before": str(entry.pair.before),
        "after": str(entry.pair.after),
        "width": entry.view.width,
        "height": entry.view.height,
    }
    if entry.cubes is not None:
        return record | _of_cubes(entry.cubes) | {"notes": list(entry.notes)}
    return record | {
        "psnr_db": None if entry.psnr is None else _finite(entry.psnr),
        "identical": entry.psnr == math.inf,
        "notes": list(entry.notes),
    }


def _of_cubes(figures: "CubeFigures") -> dict[str, Any]:
    alike = figures.likeness
    return {
        "bands": figures.bands,
        "mpsnr_db": None if alike.same else _finite(alike.mpsnr),
        "ssim": _finite(alike.mssim),
        "sam_degrees": _finite(alike.sam),
        "full_scale": figures.full,
        "identical": alike.same,
    }


def _finite(value: float) -> float | None:
    """JSON knows no other numbers."""
    return round(value, 4) if math.isfinite(value) else None
