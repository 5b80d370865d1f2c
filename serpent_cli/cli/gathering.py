"""From the words of a restoring command to what is to be done: jobs, sorted by their network."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serpent_cli.cli import console
from serpent_cli.cli.outcome import tell_left_alone
from serpent_cli.cli.preparing import manifest_path
from serpent_cli.cli.request import Request
from serpent_cli.errors import UsageError

if TYPE_CHECKING:
    from serpent_cli.batch.groups import Group
    from serpent_cli.batch.naming import Naming
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
    lost: "tuple[Lost, ...]"


def gather(request: Request) -> Gathered:
    """Find the pictures of a request, and where each result goes.

    Raises:
        SerpentError: Nothing is named or found, or what is named contradicts itself.
    """
    from serpent_cli.batch.again import without_results
    from serpent_cli.batch.groups import group_jobs
    from serpent_cli.batch.naming import name_targets, results_folder
    from serpent_cli.batch.places import parse_place
    from serpent_cli.imaging.geometry import Geometry

    geometry = Geometry.parse(request.size) if request.size else None
    output = None if request.output is None else parse_place(request.output)
    sources = _sources(request, output)
    scale = request.wanted_scale()
    naming = _naming(request, scale)
    folder = results_folder(sources, output, naming)
    sources, ours = without_results(sources, output, naming, manifest_path(folder, request))
    if ours and not request.quiet:
        console.note(f"{ours} of the files are results of an earlier run, and no inputs")
    jobs = name_targets(sources, output, naming)
    if str(output) == "-" or any(str(job.target) == "-" for job in jobs):
        if request.json:
            raise UsageError(
                "--json and the picture would both go to standard output", hint="give -o FILE"
            )
        console.refuse_terminal()
    groups = group_jobs(jobs, size=geometry, scale=scale, chosen=naming.format, folder=folder)
    return Gathered(groups, sources.lost)


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


def _naming(request: Request, scale: int | None) -> "Naming":
    from serpent_cli.batch.naming import Naming
    from serpent_cli.imaging.formats import format_named

    return Naming(
        request.tag(scale or 0), request.task, scale or 1, request.name,
        format_named(request.format) if request.format else None,
    )  # fmt: skip
