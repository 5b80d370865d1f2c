"""What `deblur` and `upscale` share: pictures in, restored pictures out, results shown."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from serpent_cli.cli import console
from serpent_cli.cli.fetching import fetch_model
from serpent_cli.cli.gathering import gather
from serpent_cli.cli.options import parse_region
from serpent_cli.cli.outcome import Outcome, announcement
from serpent_cli.cli.preparing import (
    check,
    check_scale,
    load,
    notes_of,
    on_ray,
    run_options,
)
from serpent_cli.cli.request import Request
from serpent_cli.settings import BACKEND

if TYPE_CHECKING:
    from serpent_cli.batch.groups import Group
    from serpent_cli.batch.naming import Job
    from serpent_cli.batch.notes import Notes
    from serpent_cli.batch.result import FileResult
    from serpent_cli.restoration.restorer import Restorer

ANNOUNCED_PIXELS = 100_000_000  # larger results are announced with their size and time


def restore_files(request: Request) -> None:
    """Restore all pictures of a request.

    Ends with exit code 1 if some of them failed; if all did for one kind of reason, such as a
    region that lies in none of them, with that reason's code.
    """
    # Whatever can be wrong with the request is found before torch loads.
    check(request)
    if request.model is not None:
        fetch_model(request.model, offline=request.offline, quiet=request.quiet)
    found = gather(request)
    groups, lost = found.groups, found.lost
    for group in groups:
        check_scale(group, request)
    outcome = Outcome(request, sum(len(group.jobs) for group in groups))
    if request.dry_run:
        from serpent_cli.cli.dry_run import predict

        predict(groups, lost, request)
        return
    for each in lost:
        outcome.lose(each)
    with console.progress_bar(outcome.total, "files", quiet=request.quiet) as bar:
        for group in groups:
            with closing(_results(group, request, bar)) as results:
                for result in results:
                    bar.advance()
                    outcome.show(result)
                    if result.error is not None and request.fail_fast:
                        raise typer.Exit(outcome.finish())
    raise typer.Exit(outcome.finish())


def _results(group: "Group", request: Request, bar: console.Bar) -> "Generator[FileResult]":
    from serpent_cli.batch.standing import settled
    from serpent_cli.batch.sweeping import sweep

    jobs, ray = deque(group.jobs), request.engine == "ray"
    with ExitStack() as stack:
        notes = stack.enter_context(notes_of(group, request, read_only=ray))
        if not ray:
            sweep(group.jobs)
        yield from settled(jobs, notes, force=request.force)
        if not jobs:
            return
        left = replace(group, jobs=tuple(jobs))
        yield from on_ray(left, request) if ray else _restored(left, request, notes, bar)


def _restored(
    group: "Group", request: Request, notes: "Notes", bar: console.Bar
) -> "Iterator[FileResult]":
    from serpent_cli.batch.workers import run_all
    from serpent_cli.ops.backend import use_backend

    restorers = load(group, request, notes)
    options = run_options(group, request, notes)
    shown = replace(options, on_size=_announcer(request, restorers[0], bar), on_tile=bar.tile)
    with use_backend(BACKEND.get()):
        yield from run_all(group.jobs, restorers, shown)


def _announcer(
    request: Request, restorer: "Restorer", bar: console.Bar
) -> "Callable[[Job, int, int], None]":
    """Tells the bar of each picture, and the user of large ones."""
    region = parse_region(request.region)

    def on_size(job: "Job", height: int, width: int) -> None:
        bar.file(job.source.name)
        if region is not None:
            width, height = region[2:]
        pixels = height * width * restorer.scale**2
        if pixels > ANNOUNCED_PIXELS and not request.quiet:
            console.note(announcement(job.target.name, height, width, restorer))

    return on_size
