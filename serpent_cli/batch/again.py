"""The same command again: results of the first time that now lie among the inputs.

`serpent deblur *.png` means more files the second time, and so does a folder that results go back
into. What the manifest knows as a result is then no input.
"""

from dataclasses import replace
from pathlib import Path

from serpent_cli.batch.manifest import Manifest
from serpent_cli.batch.naming import Job, Naming, assign_targets
from serpent_cli.batch.places import Place, exists, identity
from serpent_cli.batch.sources import Sources


def without_results(
    sources: Sources, output: Place | None, naming: Naming, manifest: Path | None
) -> tuple[Sources, int]:
    """Leave out pictures that are our results of other pictures among them.

    Args:
        sources: What was named or found.
        output: As for `name_targets`.
        naming: How the results are called.
        manifest: Where an earlier run has noted its results; None: nowhere.

    Returns:
        The rest, and how many were left out.

    Raises:
        UsageError: As of `name_targets`, or the manifest is something else.
    """
    if manifest is None or not exists(manifest):
        return sources, 0
    jobs = assign_targets(sources, output, naming)
    sources_of = {identity(job.target): job.source for job in jobs if isinstance(job.target, Path)}
    doubtful = [
        each for each in sources.pictures
        if isinstance(each.place, Path) and (made_of := sources_of.get(identity(each.place)))
        and made_of != each.place
    ]  # fmt: skip
    if not doubtful:
        return sources, 0
    with Manifest(manifest, {}, read_only=True) as known:
        ours = {each for each in doubtful if known.made(Job(each.place, each.place))}
    left = tuple(each for each in sources.pictures if each not in ours)
    return replace(sources, pictures=left), len(ours)
