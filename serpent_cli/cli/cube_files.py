"""What the commands for cubes share: options, names of results, and words about files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from serpent_cli.cli import console, options
from serpent_cli.errors import UsageError

if TYPE_CHECKING:
    from serpent_cli.cubes.cube import Cube

Output = Annotated[
    Path | None,
    options.files(
        "-o",
        "--output",
        metavar="FILE",
        show_default=False,
        help="Cube to write: .tif, .hdr (ENVI), .npy or .mat; with several inputs, a folder.",
    ),
]
Variable = Annotated[
    str | None,
    options.files(
        "--variable",
        metavar="NAME",
        help="Variable of a .mat file, where it has several.",
    ),
]
Bands = Annotated[
    Literal["auto", "first", "last"],
    options.files(
        "--bands",
        help="Which axis of a .npy or .mat is the bands; auto: the last, or a far shorter first.",
    ),
]
Json = Annotated[
    bool,
    options.style("--json", help="One JSON object for each result."),
]
White = Annotated[
    float | None,
    options.files(
        "--white",
        metavar="VALUE",
        show_default="guessed from the brightest samples",
        help="Sample value that means full scale.",
    ),
]


def result_path(
    source: Path,
    output: Path | None,
    tag: str,
    *,
    several: bool,
    suffix: str,
    kept: bool = False,
) -> Path:
    """Where a result goes.

    Args:
        source: What it is made of.
        output: What was asked for: a file, or a folder.
        tag: What names of our own say was done.
        several: There are other sources.
        suffix: Of a name of our own.
        kept: In a folder it is called as its source, as restored photographs are.
    """
    own = f"{source.stem}_{tag}{suffix}"
    if output is None:
        return source.with_name(own)
    if several or output.is_dir():
        return output / (f"{source.stem}{suffix}" if kept else own)
    return output


def check_result(path: Path, sources: list[Path], *, force: bool) -> None:
    """Refuse to replace what is there.

    Raises:
        UsageError: It is a source, exists, or no format goes by its suffix.
    """
    from serpent_cli.cubes.files import files_of, format_of

    format_of(path)
    taken = files_of(path)
    read = {each.resolve() for source in sources for each in files_of(source)}
    if found := next((each for each in taken if each.resolve() in read), None):
        raise UsageError(f"{found} is read and would be written", hint="give another -o")
    if taken and not force:
        raise UsageError(f"{taken[0]} is there already", hint="give --force to replace it")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", hint="make it, or give another -o")


def bands_first(bands: str) -> bool | None:
    """Where --bands says the bands are; None where the shapes tell."""
    return None if bands == "auto" else bands == "first"


def check_white(white: float | None) -> None:
    """Refuse a full scale that is none.

    Raises:
        UsageError: It is not positive.
    """
    if white is not None and not 0 < white < float("inf"):
        raise UsageError(f"--white must be positive, not {white:g}")


def say_notes(cube: "Cube", path: Path, *, quiet: bool) -> None:
    """Tell how a cube was read, and what the result will not keep."""
    from serpent_cli.cubes.files import lost_between

    if not quiet:
        for sentence in cube.notes:
            console.note(sentence)
    for sentence in lost_between(cube, path):
        console.warning(sentence)
