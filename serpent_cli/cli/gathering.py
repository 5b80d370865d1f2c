"""From the words of a restoring command to what is to be done: jobs, sorted by their network."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from serpent_cli.cli import console
from serpent_cli.cli.outcome import tell_left_alone
from serpent_cli.cli.request import Request
from serpent_cli.errors import UsageError

if TYPE_CHECKING:
    from serpent_cli.batch.groups import Group
    from serpent_cli.batch.naming import Naming
    from serpent_cli.batch.notes import Noting
    from serpent_cli.batch.places import Place
    from serpent_cli.batch.sources import Lost, Sources


@dataclass(frozen=True)
class Gathered:
    """What a request means.

    Attributes:
        groups: The jobs, by the scale that the network must have.
        lost: What was named or found, and cannot be looked at.
    """

    groups: "list[Group]"
    lost: "list[Lost]"


def gather(request: Request) -> Gathered:
    """Find the pictures of a request, and where each result goes.

    Raises:
        SerpentError: Nothing is named or found, or what is named contradicts itself.
    """
    from serpent_cli.batch.groups import group_jobs
    from serpent_cli.batch.naming import name_targets
    from serpent_cli.batch.notes import noting_of
    from serpent_cli.batch.places import parse_place
    from serpent_cli.imaging.geometry import Geometry

    geometry = Geometry.parse(request.size) if request.size else None
    output = None if request.output is None else parse_place(request.output)
    sources = _sources(request, output)
    scale = request.wanted_scale()
    naming = _naming(request, scale)
    noting = noting_of(sources, output, naming)
    sources = _inputs(sources, output, naming, noting, request)
    if not sources.pictures:
        return Gathered([], sources.lost)
    jobs = name_targets(sources, output, naming)
    if str(output) == "-" or any(str(job.target) == "-" for job in jobs):
        if request.json:
            raise UsageError(
                "--json and the picture would both go to standard output", hint="give -o FILE"
            )
        console.refuse_terminal()
    groups = group_jobs(
        jobs, size=geometry, scale=scale, scales=request.known_scales() if scale is None else (),
        chosen=naming.format, noting=noting,
    )  # fmt: skip
    return Gathered(groups, sources.lost)


def manifest_path(folder: Path | None, request: Request) -> Path | None:
    """Where results are noted: as demanded, or in the folder that they go to, if there is one."""
    from serpent_cli.batch.manifest import NAME

    if request.manifest is not None or folder is None:
        return request.manifest
    return folder / NAME


def _sources(request: Request, output: "Place | None") -> "Sources":
    """The pictures that are meant; what is passed over is told."""
    from serpent_cli.batch.places import Standard, parse_place
    from serpent_cli.batch.sources import expand_words, find_sources, read_list

    words = request.inputs or []
    if request.from0:
        console.refuse_typing("names, each ended by a NUL byte, do")
    if "@-" in words:
        console.refuse_typing("a list of names does")
    places = expand_words(words)
    if any(isinstance(place, Standard) for place in places):
        console.refuse_typing("a picture does")
    if request.from0:
        listed = read_list(sys.stdin.buffer.read(), "standard input", separator=b"\0")
        places += [parse_place(name) for name in listed]
    if not places:
        raise UsageError("no picture is named", hint=f"for instance serpent {request.task} in.png")
    lenient = request.from0 or any(word.startswith("@") for word in words)
    sources = find_sources(places, recursive=request.recursive, output=output, lenient=lenient)
    if not request.quiet:
        tell_left_alone(sources)
    return sources


def _inputs(
    sources: "Sources", output: "Place | None", naming: "Naming", noting: "Noting", request: Request
) -> "Sources":
    """The sources that are no results of an earlier run; those are told."""
    from serpent_cli.batch.again import without_results

    def model() -> str:
        return request.weights_for(naming.scale).card.name

    # A size decides the model of each picture later; who demands force may work on results, too.
    known = None if request.force or request.wanted_scale() is None else model
    path = manifest_path(None if noting.shared else noting.folder, request)
    left, out = without_results(sources, output, naming, path, known)
    if out and not request.quiet:
        are = "is a result" if len(out) == 1 else "are results"
        inputs = "input" if len(out) == 1 else "inputs"
        console.note(f"{len(out)} of the files {are} of an earlier run, and no {inputs}")
        if not left.pictures:
            console.note("hint: give --force, or -o another folder, to restore a result once more")
    return left


def _naming(request: Request, scale: int | None) -> "Naming":
    from serpent_cli.batch.naming import Naming
    from serpent_cli.imaging.formats import format_named

    return Naming(
        request.tag(scale or 0), request.task, scale or 1, request.name,
        format_named(request.format) if request.format else None,
    )  # fmt: skip
