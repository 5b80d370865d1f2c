"""What killed runs left: unfinished files, which nobody will finish."""

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from serpent_cli.batch.naming import Job
from serpent_cli.imaging.write import held, part_stem

_PART = re.compile(r"\.(.+)\.[0-9a-f]{12}\.part")


def sweep(jobs: Iterable[Job]) -> None:
    """Remove what a killed run left beside the targets of jobs; what is being written stays."""
    targets = [job.target for job in jobs if isinstance(job.target, Path)]
    names = {part_stem(target) for target in targets}
    for folder in {target.parent for target in targets if target.parent.is_dir()}:
        for path in folder.glob(".*.part"):
            found = _PART.fullmatch(path.name)
            if found and found[1] in names:
                _remove_dead(path)


def _remove_dead(path: Path) -> None:
    """Remove an unfinished file that nobody writes any more."""
    with suppress(OSError), path.open("rb") as stream:
        if held(stream):
            path.unlink()


def sweep_if_free(path: Path, jobs: Iterable[Job]) -> None:
    """Do that if no run has the manifest at a path; a run that follows does it anyway."""
    try:
        with FileLock(f"{path}.lock", timeout=0):
            sweep(jobs)
    except (Timeout, OSError):
        return
