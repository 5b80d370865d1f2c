"""From the words of a command line to the pictures that are meant."""

import codecs
import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from serpent_cli.batch.folders import look_inside
from serpent_cli.batch.places import (
    Place,
    Remote,
    Standard,
    exists,
    expand,
    identity,
    is_folder,
    join,
    parse_place,
)
from serpent_cli.errors import NoInputError, PictureError, SerpentError, UsageError, reason_of
from serpent_cli.imaging.formats import PICTURE_SUFFIXES

_WILD = "*?["


@dataclass(frozen=True)
class Source:
    """One picture to restore.

    Attributes:
        place: Where it lies.
        below: Its path under the folder it was found in, with forward slashes; else its name.
        folder: The folder it was found in; None if it was named itself.
    """

    place: Place
    below: str
    folder: Path | Remote | None = None


@dataclass(frozen=True)
class Lost:
    """Something that was named or found, and cannot be read.

    Attributes:
        place: What it is.
        error: Why not.
    """

    place: Place
    error: SerpentError


@dataclass
class Sources:
    """What is to be restored.

    Attributes:
        pictures: In the order given; those of a folder by name.
        strays: Files in folders that go by no picture's suffix, and are left alone.
        links: Linked folders in folders, which are not followed.
        special: Pipes, sockets and devices in folders, which are left alone.
        lost: What should have been looked at and cannot be.
    """

    pictures: list[Source] = field(default_factory=list[Source])
    strays: list[Place] = field(default_factory=list[Place])
    links: list[Place] = field(default_factory=list[Place])
    special: list[Place] = field(default_factory=list[Place])
    lost: list[Lost] = field(default_factory=list[Lost])

    @property
    def several(self) -> bool:
        """Whether there may be several: all but one picture that was named itself."""
        return len(self.pictures) > 1 or self.pictures[0].folder is not None


def find_sources(
    places: Sequence[Place],
    *,
    recursive: bool = False,
    output: Place | None = None,
    lenient: bool = False,
    suffixes: Collection[str] = PICTURE_SUFFIXES,
) -> Sources:
    """Find the pictures at places; hidden files in folders are ignored.

    Args:
        places: Files, folders, URLs, or standard input alone.
        recursive: Look into the folders of folders.
        output: Where results go: a folder of results among the inputs is not restored again.
        lenient: A named file that does not exist is lost, as for long lists, and the others are
            done.
        suffixes: By which pictures in folders are known, in small letters.

    Raises:
        NoInputError: A named file does not exist, or nothing in the folders is a picture.
        UsageError: Standard input is not alone, or a file is named twice.
    """
    if len(places) > 1 and any(isinstance(place, Standard) for place in places):
        raise UsageError(
            "standard input (-) is one picture, and others are given beside it",
            hint="name files, or give a list of names with @FILE or --from0",
        )
    found = Sources()
    for place in places:
        try:
            if isinstance(place, Standard) or not is_folder(place):
                _demand(place)
                found.pictures.append(Source(place, place.name))
            else:
                assert not isinstance(place, Standard)
                _look_into(place, recursive, output, found, suffixes)
        except SerpentError as error:
            if not lenient:
                raise
            found.lost.append(Lost(place, error))
    if not found.pictures:
        raise _nothing(places, found, recursive)
    _refuse_repetition(found.pictures)
    return found


def _nothing(places: Sequence[Place], found: Sources, recursive: bool) -> SerpentError:
    """The error where there is no picture at all."""
    if found.lost:
        return NoInputError(found.lost[0].error.message, hint=found.lost[0].error.hint)
    named = ", ".join(map(str, places)) or "an empty list"
    deeper = "" if recursive else ", and -r looks into folders of folders"
    return NoInputError(
        f"no picture was found in {named}",
        hint=f"pictures in folders are known by their suffix{deeper}",
    )


def expand_words(words: Sequence[str]) -> list[Place]:
    """The places that words of a command line name.

    Args:
        words: Each a file, a folder, a pattern with *, ? or [...], a URL, `-` for standard input,
            @FILE: a list with one path or URL per line, taken literally, or @- for such a list in
            standard input.

    Raises:
        NoInputError: A list cannot be read, or nothing matches a pattern.
        UsageError: A list is not UTF-8.
    """
    return [place for word in words for place in _expanded(word)]


def read_list(content: bytes, name: str, *, separator: bytes) -> list[str]:
    """The names in a list of files; empty ones are left out.

    Args:
        content: Of the list, in UTF-8; bytes that are no text are kept, as names may hold them.
        name: What to call the list in an error.
        separator: Ends each name: a newline or a NUL byte.

    Raises:
        UsageError: It is a picture rather than a list, or text in UTF-16.
    """
    lines = separator == b"\n"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or (
        lines and b"\0" in content
    ):
        raise UsageError(
            f"{name} is not a list of names in UTF-8", hint="write one path or URL per line"
        )
    # Cut as bytes: what else breaks a line of text, such as U+2028, may be part of a name.
    names = content.removeprefix(codecs.BOM_UTF8).split(separator)
    if lines:
        names = [each.removesuffix(b"\r") for each in names]
    return [os.fsdecode(each) for each in names if each.strip()]


def _expanded(word: str) -> list[Place]:
    if word == "@-":
        listed = read_list(sys.stdin.buffer.read(), "standard input", separator=b"\n")
        return [parse_place(each) for each in listed]
    if word.startswith("@") and len(word) > 1:
        try:
            content = Path(word[1:]).read_bytes()
        except OSError as error:
            raise NoInputError(
                f"cannot read the list {word[1:]}: {reason_of(error)}",
                hint=f"a picture of that name is ./{word}",
            ) from error
        return [parse_place(each) for each in read_list(content, word[1:], separator=b"\n")]
    place = parse_place(word)
    if not any(sign in word for sign in _WILD) or exists(place):
        return [place]
    if found := expand(word):
        return found
    raise NoInputError(f"nothing matches {word}", hint="check the pattern")


def _demand(place: Place) -> None:
    if isinstance(place, Path) and not exists(place):
        raise NoInputError(f"there is no file {place}", hint="check the spelling of the path")


def _look_into(
    folder: Path | Remote,
    recursive: bool,
    output: Place | None,
    found: Sources,
    suffixes: Collection[str],
) -> None:
    """Add what a folder holds to what was found."""
    inside = look_inside(folder, recursive=recursive)
    results = None
    # An output folder inside the input would be restored again by the next run.
    if isinstance(output, Path) and isinstance(folder, Path):
        results = identity(output)
        if identity(folder) not in results.parents:
            results = None
    for below in inside.files:
        place = join(folder, below)
        if results is not None and results in identity(Path(str(place))).parents:
            continue
        if PurePosixPath(below).suffix.lower() in suffixes:
            found.pictures.append(Source(place, below, folder))
        else:
            found.strays.append(place)
    found.links += [join(folder, below) for below in inside.links]
    found.special += [join(folder, below) for below in inside.special]
    for below, reason in inside.lost:
        place = join(folder, below) if below else folder
        error = PictureError(f"cannot look into {place}: {reason}", hint="check its permissions")
        found.lost.append(Lost(place, error))


def _refuse_repetition(pictures: list[Source]) -> None:
    seen: set[str] = set()
    for each in pictures:
        if str(each.place) in seen:
            raise UsageError(f"{each.place} is given twice")
        seen.add(str(each.place))
