"""From the words of a restoring command to what is to be done: jobs, sorted by their network."""

import sys
from typing import TYPE_CHECKING

from serpent_cli.cli import console
from serpent_cli.cli.outcome import tell_left_alone
from serpent_cli.cli.request import Request
from serpent_cli.errors import UsageError

if TYPE_CHECKING:
    from serpent_cli.batch.groups import Group
    from serpent_cli.batch.manifest import ManifestSettings
    from serpent_cli.batch.naming import Job
    from serpent_cli.batch.places import Place
    from serpent_cli.batch.sources import Lost, Sources


def gather(request: Request) -> "tuple[list[Group], list[Lost]]":
    """Find the pictures of a request, and where each result goes.

    Returns:
        The jobs, by the scale that the network must have, and what was named or found and cannot be
        looked at.

    Raises:
        SerpentError: Nothing is named or found, or what is named contradicts itself.
    """
    from serpent_cli.batch.groups import Group, group_jobs
    from serpent_cli.batch.naming import Naming, name_targets, refuse_collisions
    from serpent_cli.batch.notes import noting_of
    from serpent_cli.batch.places import parse_place

    size = request.geometry
    output = None if request.output is None else parse_place(request.output)
    sources = _sources(request, output)
    scale = request.wanted_scale()
    naming = Naming(request.tag(scale or 0), request.task, scale or 1, request.name, request.chosen)
    jobs = name_targets(sources, output, naming)
    noting = noting_of(sources, jobs, output, naming, request.manifest)
    jobs = _new(jobs, noting, request)
    refuse_collisions(jobs)
    if any(str(job.target) == "-" for job in jobs):
        if request.json:
            raise UsageError(
                "--json and the picture would both go to standard output", hint="give -o FILE"
            )
        console.refuse_terminal()
    groups, scales = list[Group](), request.known_scales() if scale is None else ()
    if jobs:
        groups = group_jobs(jobs, size=size, scale=scale, scales=scales, noting=noting)
    return groups, sources.lost


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


def _new(jobs: "list[Job]", noting: "ManifestSettings", request: Request) -> "list[Job]":
    """The jobs whose pictures are no results of an earlier run; those are told."""
    from serpent_cli.batch.again import without_results

    scale = request.wanted_scale()

    def model() -> str:
        return request.weights_for(scale or 1).card.name

    # A size decides the model of each picture later; who demands force may work on results, too.
    left = without_results(jobs, noting, None if request.force or scale is None else model)
    if (out := len(jobs) - len(left)) and not request.quiet:
        are, inputs = ("is a result", "input") if out == 1 else ("are results", "inputs")
        console.note(f"{out} of the files {are} of an earlier run, and no {inputs}")
        if not left:
            console.note("hint: give --force, or -o another folder, to restore a result once more")
    return left
