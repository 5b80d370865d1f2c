"""Where each restored picture goes."""

import os
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from serpent_cli.batch.places import Place, Remote, Standard, exists, identity, is_folder, join
from serpent_cli.batch.sources import Source, Sources
from serpent_cli.errors import UsageError
from serpent_cli.imaging.formats import WRITABLE_SUFFIXES, Format, format_for

FIELDS = ("stem", "task", "scale", "ext")
LONGEST_NAME = 255  # of most file systems


@dataclass(frozen=True)
class Job:
    """One picture to restore.

    Attributes:
        source: Where to read it.
        target: Where to write it.
    """

    source: Place
    target: Place


def local_targets(jobs: Iterable[Job]) -> list[Path]:
    """The targets that are files on this machine, or to be reached like them."""
    return [job.target for job in jobs if isinstance(job.target, Path)]


@dataclass(frozen=True)
class Naming:
    """How results are called.

    Attributes:
        tag: What was done, such as `deblurred` or `x8`, for names of our own.
        task: The command, such as `deblur`.
        scale: Output pixels per input pixel and axis.
        template: Python's format of {stem}, {task}, {scale} (empty if nothing is enlarged) and
            {ext} (without the dot); None for the usual names.
        format: What all are written as; None for the format of each input.
    """

    tag: str
    task: str = "deblur"
    scale: int = 1
    template: str | None = None
    format: Format | None = None

    def named(self, source: Source, *, beside: bool) -> str:
        """The path of a result under its folder, with forward slashes.

        Raises:
            UsageError: The template gives a name that cannot be used.
        """
        path = PurePosixPath(source.below)
        stem = "stdin" if isinstance(source.place, Standard) else path.stem
        suffix = self._suffix(path)
        if self.template is None:
            name = f"{stem}_{self.tag}{suffix}" if beside else f"{stem}{suffix}"
        else:
            name = self._filled(stem, suffix.removeprefix("."))
        return (path.parent / name).as_posix()

    def _suffix(self, path: PurePosixPath) -> str:
        if self.format is not None:
            keeps = path.suffix.lower() in self.format.suffixes
            return path.suffix if keeps else self.format.suffixes[0]
        return path.suffix if path.suffix.lower() in WRITABLE_SUFFIXES else ".png"

    def _filled(self, stem: str, ext: str) -> str:
        assert self.template is not None
        _check_template(self.template)
        scale = str(self.scale) if self.scale > 1 else ""
        try:
            name = self.template.format(stem=stem, task=self.task, scale=scale, ext=ext)
        except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
            raise UsageError(f"--name {self.template} cannot be filled in: {error}") from error
        if "/" in name or "\\" in name or name.strip(". ") == "":
            raise UsageError(
                f"--name {self.template} gives {name!r}, which is not a file name",
                hint="folders belong to -o",
            )
        format_for(PurePosixPath(name))
        return name


def name_targets(sources: Sources, output: Place | None, naming: Naming) -> list[Job]:
    """Give every source its target, whatever that is; see `refuse_collisions`.

    Args:
        sources: What is to be restored.
        output: A file, a folder, standard output, or None for names beside the inputs.
        naming: How the results are called.

    Raises:
        UsageError: Several inputs for one file, or a target in a format that cannot be written.
    """
    pictures, several = sources.pictures, sources.several
    if output is None:
        return [Job(each.place, _beside(each, naming)) for each in pictures]
    if isinstance(output, Standard):
        if several:
            raise UsageError(
                "several pictures cannot go to standard output", hint="give a folder to -o"
            )
    elif _means_folder(output, sources, naming):
        if isinstance(output, Path) and exists(output) and not is_folder(output):
            raise UsageError(
                f"{output} is a file, but there are several inputs", hint="give a folder to -o"
            )
        if output.suffix.lower() in WRITABLE_SUFFIXES and not is_folder(output):
            raise UsageError(
                f"{output} is the name of one picture, but there may be several",
                hint="give a folder to -o; one of that name must be there",
            )
        return [
            Job(each.place, join(output, naming.named(each, beside=False))) for each in pictures
        ]
    else:
        _check_format(output, naming)
    return [Job(pictures[0].place, output)]


def results_folder(sources: Sources, output: Place | None, naming: Naming) -> Path | None:
    """The local folder that holds all results of several pictures; None if there is not one.

    Without an output it is the one that they lie in, or the next that holds them all if it is
    beside one of them, or in the working folder.
    """
    if output is not None:
        if isinstance(output, Path) and _means_folder(output, sources, naming):
            return output
        return None
    if not sources.several:
        return None
    tops: set[Path] = set()
    near: set[Path] = set()
    for each in sources.pictures:
        if not isinstance(each.place, Path) or isinstance(each.folder, Remote):
            return None
        top = each.place.parent if each.folder is None else _sister(each.folder, naming)
        tops.add(top)
        near.add(identity(top if each.folder is None else top.parent))
    return _common(tops, near) if len(tops) > 1 else next(iter(tops))


def _common(tops: set[Path], near: set[Path]) -> Path | None:
    """The next folder above several, if it is one of those near, or in the working folder."""
    common, here = Path(os.path.commonpath({identity(top) for top in tops})), identity(Path())
    inside = common == here or here in common.parents
    return common if (common in near or inside) and os.access(common, os.W_OK) else None


def _sister(folder: Path, naming: Naming) -> Path:
    """Where the results of a folder go that is the only input."""
    resolved = identity(folder)  # "." and ".." have no names of their own
    parent = resolved.parent if folder.name in ("", "..") else folder.parent
    return parent / f"{resolved.name}_{naming.tag}"


def _fields(template: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(string.Formatter().parse(template))
    except ValueError as error:
        raise UsageError(f"--name {template} cannot be filled in: {error}") from error


def _check_template(template: str) -> None:
    """Refuse fields that there are not, and widths that would fill the memory."""
    specs: list[str] = []
    for _, field, spec, _ in _fields(template):
        if field is not None and field not in FIELDS:
            raise UsageError(
                f"--name knows no {{{field}}}",
                hint="it knows " + ", ".join(f"{{{each}}}" for each in FIELDS),
            )
        specs.append(spec or "")
    if any("{" in spec for spec in specs):
        raise UsageError(
            f"--name {template} has a field within a field", hint="write its width out"
        )
    widths = [number for spec in specs for number in re.findall(r"\d+", spec)]
    if any(len(width) > 3 or int(width) > LONGEST_NAME for width in widths):
        raise UsageError(
            f"--name {template} gives names that are too long",
            hint=f"a name has at most {LONGEST_NAME} characters",
        )


def _check_format(output: Path | Remote, naming: Naming) -> None:
    """Refuse now rather than after the work."""
    found = format_for(PurePosixPath(output.name))
    if naming.format is not None and found is not naming.format:
        raise UsageError(
            f"-o {output} is {found.name}, and --format asks for {naming.format.name}",
            hint="leave --format out",
        )


def _means_folder(output: Path | Remote, sources: Sources, naming: Naming) -> bool:
    """Whether several results may go there: a folder, or a name without a picture's suffix."""
    if sources.several or naming.template is not None:
        return True
    if isinstance(output, Remote):
        return output.suffix.lower() not in WRITABLE_SUFFIXES or is_folder(output)
    return is_folder(output) or (not exists(output) and output.suffix == "")


def _beside(source: Source, naming: Naming) -> Place:
    place, folder = source.place, source.folder
    if isinstance(place, Standard):
        return place
    if isinstance(place, Remote) or isinstance(folder, Remote):
        raise UsageError(f"-o is needed for {place}", hint="give a file or a folder to -o")
    if folder is None:
        return place.parent / naming.named(source, beside=True)
    return _sister(folder, naming) / naming.named(source, beside=False)


def refuse_collisions(jobs: Iterable[Job]) -> None:
    """Refuse targets that collide, before any work starts.

    Raises:
        UsageError: Two pictures have the same target, or a target is an input.
    """
    inputs = {_identity(job.source) for job in jobs}
    seen: dict[Place, Place] = {}
    for job in jobs:
        if isinstance(job.target, Standard):
            continue
        target = _identity(job.target)
        if target in inputs:
            raise UsageError(
                f"{job.target} is an input and would be overwritten", hint="give another -o"
            )
        if target in seen:
            raise UsageError(
                f"{seen[target]} and {job.source} would both become {job.target}",
                hint="restore them one by one, with another -o each, or give a --name",
            )
        seen[target] = job.source


def _identity(place: Place) -> Place:
    return identity(place) if isinstance(place, Path) else place
