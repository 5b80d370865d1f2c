"""From command-line arguments to the files that are meant."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serpent_cli.errors import NoInputError, UsageError

_READABLE = ".png .apng .jpg .jpeg .jpe .jfif .tif .tiff .webp .bmp .avif .jp2 .j2k .gif"
# Refused, but with a sentence that says what to do: silence would lose pictures.
_REFUSED = ".heic .heif .cr2 .cr3 .nef .arw .dng .raf .orf .rw2 .jxl"
PICTURE_SUFFIXES = frozenset(f"{_READABLE} {_REFUSED}".split())


@dataclass(frozen=True)
class Sources:
    """What is to be restored.

    Attributes:
        files: The pictures, in the order given, or by name for a folder.
        folder: The folder they were found in; None if they were named one by one.
    """

    files: tuple[Path, ...]
    folder: Path | None = None


def find_sources(inputs: Sequence[Path]) -> Sources:
    """Files as named, or the pictures that lie directly in one folder; hidden files are ignored.

    Raises:
        NoInputError: A named file does not exist, or the folder holds no picture.
        UsageError: A folder beside other inputs, or a file named twice.
    """
    if len(inputs) == 1 and inputs[0].is_dir():
        return _in_folder(inputs[0])
    for path in inputs:
        if path.is_dir():
            raise UsageError(
                f"{path} is a folder among other inputs", hint="give files, or one folder alone"
            )
        if not path.exists():
            raise NoInputError(f"there is no file {path}", hint="check the spelling of the path")
    twice = [path for path in inputs if list(inputs).count(path) > 1]
    if twice:
        raise UsageError(f"{twice[0]} is given twice")
    return Sources(tuple(inputs))


def _in_folder(folder: Path) -> Sources:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise NoInputError(f"cannot read the folder {folder}: {error.strerror}") from error
    files = tuple(
        path
        for path in entries
        if path.suffix.lower() in PICTURE_SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    )
    if not files:
        raise NoInputError(
            f"no picture was found in {folder}", hint="only files directly in the folder count"
        )
    return Sources(files, folder)
