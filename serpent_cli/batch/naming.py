"""Where each restored picture goes."""

from dataclasses import dataclass
from pathlib import Path

from serpent_cli.batch.sources import Sources
from serpent_cli.errors import UsageError
from serpent_cli.imaging.formats import WRITABLE, format_for

WRITABLE_SUFFIXES = frozenset(suffix for each in WRITABLE for suffix in each.suffixes)


@dataclass(frozen=True)
class Job:
    """One picture to restore.

    Attributes:
        source: The file to read.
        target: The file to write.
    """

    source: Path
    target: Path


def name_targets(sources: Sources, output: Path | None, tag: str) -> list[Job]:
    """Give every source its target, and refuse collisions before any work starts.

    Args:
        sources: What is to be restored.
        output: A file, a folder, or None for names beside the inputs.
        tag: What was done, such as `deblurred` or `x8`, for names of our own.

    Raises:
        UsageError: Several inputs for one file, two with the same target, a target that is an
            input, or one in a format that cannot be written.
    """
    if output is None:
        jobs = [Job(path, _beside(path, sources.folder, tag)) for path in sources.files]
    elif sources.folder is not None or len(sources.files) > 1 or _means_folder(output):
        if output.is_file():
            raise UsageError(
                f"{output} is a file, but there are several inputs", hint="give a folder to -o"
            )
        jobs = [Job(path, output / _writable(path).name) for path in sources.files]
    else:
        format_for(output)  # refused now rather than after the work
        jobs = [Job(path, output) for path in sources.files]
    _refuse_collisions(jobs)
    return jobs


def _means_folder(output: Path) -> bool:
    """An existing folder, or a name without a picture's suffix."""
    return output.is_dir() or (not output.exists() and output.suffix == "")


def _beside(path: Path, folder: Path | None, tag: str) -> Path:
    if folder is not None:
        resolved = folder.resolve()  # "." and ".." have no names of their own
        parent = resolved.parent if folder.name in ("", "..") else folder.parent
        return parent / f"{resolved.name}_{tag}" / _writable(path).name
    named = _writable(path)
    return named.with_name(f"{named.stem}_{tag}{named.suffix}")


def _writable(path: Path) -> Path:
    """The path itself, or with .png where its format can be read but not written."""
    return path if path.suffix.lower() in WRITABLE_SUFFIXES else path.with_suffix(".png")


def _refuse_collisions(jobs: list[Job]) -> None:
    inputs = {job.source.resolve() for job in jobs}
    seen: dict[Path, Path] = {}
    for job in jobs:
        target = job.target.resolve()
        if target in inputs:
            raise UsageError(
                f"{job.target} is an input and would be overwritten", hint="give another -o"
            )
        if target in seen:
            raise UsageError(
                f"{seen[target]} and {job.source} would both become {job.target}",
                hint="restore them one by one, with another -o each",
            )
        seen[target] = job.source
