"""What became of one picture of a run, or would become of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serpent_cli.batch.naming import Job
from serpent_cli.errors import SerpentError

if TYPE_CHECKING:  # it loads torch, and a run that finds all done needs none
    from serpent_cli.restoration.difference import Difference


@dataclass(frozen=True)
class FileResult:
    """What became of one picture.

    Attributes:
        job: Its source and target.
        error: Why there is no result; None if it was written.
        warnings: What could not be kept.
        width: Output pixels per row, 0 after an error.
        height: Output rows, 0 after an error.
        tiles: Tiles it was restored in.
        seconds: Seconds of reading, restoring and writing it, without waiting between them. Files
            overlap: their sum is more than a run's duration.
        difference: What restoring changed; None where the result has another size, and where
            nothing was restored.
        skipped: An earlier run had written it, with the same options and from the same input.
        memory: Bytes that the process would reach, of a forecast.
    """

    job: Job
    error: SerpentError | None = None
    warnings: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    tiles: int = 0
    seconds: float = 0.0
    skipped: bool = False
    difference: "Difference | None" = None
    memory: int = 0
