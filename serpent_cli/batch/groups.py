"""Jobs that one network can do together: with a demanded size, each picture needs its own scale."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serpent_cli.batch.manifest import ManifestSettings
from serpent_cli.batch.naming import Job
from serpent_cli.errors import SerpentError
from serpent_cli.imaging.geometry import Geometry


@dataclass(frozen=True)
class Group:
    """Jobs for one network.

    Attributes:
        jobs: In the order given.
        scale: Output pixels per input pixel and axis of the network.
        noting: Where its results are noted.
    """

    jobs: tuple[Job, ...]
    scale: int
    noting: ManifestSettings = field(default_factory=ManifestSettings)


def group_jobs(
    jobs: Sequence[Job],
    *,
    size: Geometry | None = None,
    scale: int | None = None,
    scales: Sequence[int] = (),
    noting: ManifestSettings | None = None,
) -> list[Group]:
    """Sort jobs by the scale that each needs, which is one for all unless a size decides it.

    Args:
        jobs: All of a run.
        size: What results are resampled to.
        scale: Of the network, if it is given.
        scales: What a size chooses from, in rising order, where it is not.
        noting: Where results are noted.
    """
    noting = noting or ManifestSettings()
    if scale is not None:
        return [Group(tuple(jobs), scale, noting)]
    assert size is not None and scales
    found: dict[int, list[Job]] = {}
    for job in jobs:
        found.setdefault(_needed(job, size, scales), []).append(job)
    return [Group(tuple(found[each]), each, noting) for each in sorted(found)]


def _needed(job: Job, size: Geometry, known: Sequence[int]) -> int:
    """The smallest scale that reaches the size, or the largest there is."""
    from serpent_cli.imaging.read import read_size  # codecs, which only a size needs

    if not isinstance(job.source, Path) or not job.source.is_file():
        return known[-1]
    try:
        height, width = read_size(job.source)
    except SerpentError:  # restoring will say what is wrong with it
        return known[-1]
    wanted = size.target(height, width)
    factor = max(wanted[0] / height, wanted[1] / width)
    return next((scale for scale in known if scale >= factor), known[-1])
