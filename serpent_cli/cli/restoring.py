"""What `deblur` and `upscale` share: pictures in, restored pictures out, results shown."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from serpent_cli.cli import console
from serpent_cli.cli.fetching import fetch_model
from serpent_cli.cli.gathering import gather
from serpent_cli.cli.outcome import Outcome, announcement
from serpent_cli.cli.preparing import (
    check,
    check_scale,
    load,
    loading,
    notes_of,
    on_ray,
    on_server,
    run_options,
)
from serpent_cli.cli.progress_bar import Bar, progress_bar
from serpent_cli.cli.request import Request
from serpent_cli.restoration.words import parse_region
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
    outcome = Outcome(request, groups)
    if request.dry_run:
        from serpent_cli.cli.dry_run import predict

        predict(groups, lost, request)
        return
    for each in lost:
        outcome.lose(each)
    try:
        _restore_groups(groups, request, outcome)
    except KeyboardInterrupt:
        outcome.interrupted()
        raise
    raise typer.Exit(outcome.finish())


def _restore_groups(groups: "list[Group]", request: Request, outcome: Outcome) -> None:
    with progress_bar(outcome.total, "pictures", quiet=request.quiet) as bar:
        for group in groups:
            with closing(_results(group, request, bar)) as results:
                for result in results:
                    bar.advance(quick=result.skipped)
                    outcome.show(result)
                    if result.error is not None and request.fail_fast:
                        return


def _results(group: "Group", request: Request, bar: Bar) -> "Generator[FileResult]":
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
        if not request.quiet:
            console.note(loading(group, request))
        bar.begin()
        if ray:
            yield from on_ray(left, request)
        elif request.server:
            bar.crowd()
            yield from on_server(left, request, notes)
        else:
            yield from _restored(left, request, notes, bar)


def _restored(group: "Group", request: Request, notes: "Notes", bar: Bar) -> "Iterator[FileResult]":
    from serpent_cli.batch.workers import run_all
    from serpent_cli.ops.backend import use_backend

    restorers = load(group, request, notes)
    options = run_options(group, request, notes)
    shown = replace(options, on_size=_announcer(request, restorers[0], bar), on_tile=bar.tile)
    with use_backend(BACKEND.get()), _watched(restorers, bar):
        yield from run_all(group.jobs, restorers, shown)


@contextmanager
def _watched(restorers: "list[Restorer]", bar: Bar) -> "Generator[None]":
    """Within, the bar hears of the network's layers, where one works at a time and at once."""
    restorer = restorers[0]
    if len(restorers) > 1:
        bar.crowd()
    elif bar.shown and restorer.device.type == "cpu":  # a GPU's work is only queued by a layer
        from serpent_cli.model.watching import watched

        with watched(restorer.forward.model, bar.inside):
            yield
        return
    yield


def _announcer(
    request: Request, restorer: "Restorer", bar: Bar
) -> "Callable[[Job, int, int], None]":
    """Tells the bar of each picture, and the user of large ones."""
    region = parse_region(request.region)

    def on_size(job: "Job", height: int, width: int) -> None:
        if region is not None:
            width, height = region[2:]
        pixels = height * width * restorer.scale**2
        if pixels > ANNOUNCED_PIXELS and not request.quiet:
            console.note(announcement(job.target.name, height, width, restorer))
        bar.file(job.source.name, height * width)

    return on_size
