"""One evaluation from the folder of photographs to the table and the files beside it."""

from pathlib import Path
from typing import TYPE_CHECKING

from serpent_cli.errors import UsageError
from serpent_cli.evaluation import perceptual
from serpent_cli.evaluation.cases import CASES
from serpent_cli.evaluation.results import prepare_folder, write_results
from serpent_cli.evaluation.sheet import contact_sheet
from serpent_cli.evaluation.suite import OnFile, run_suite
from serpent_cli.evaluation.summary import Mean, summarise
from serpent_cli.evaluation.trial import open_suite

if TYPE_CHECKING:
    from serpent_cli.restoration.restorer import Restorer


def evaluate(
    restorer: "Restorer",
    suite: str,
    photos: Path | None,
    *,
    oracles: bool = False,
    perceptually: bool = False,
    out: Path | None = None,
    on_file: OnFile | None = None,
) -> list[Mean]:
    """Score a restorer by one suite.

    Args:
        restorer: What a user would run.
        suite: One of `suite_names.SUITES`.
        photos: Sharp photographs, 8 bits deep; for `pairs` the folder of `ref/` and `in/`; for
            `flat` None.
        oracles: Also try deconvolution that knows the true kernel, where that is a Gaussian.
        perceptually: Also ST-LPIPS, which takes longer than restoring.
        out: Folder for results.json, results.csv, results.md and contact-sheet.png.
        on_file: Called with (photographs done, photographs in all).

    Raises:
        UsageError: There is no such suite, it is not the model's task, or it has no Gaussian that
            an oracle could be told.
        NoInputError: The folder holds no photograph, or one of a pair is missing.
        DeviceError: The weights of ST-LPIPS are missing.
        PictureError: A photograph cannot be read or scored, or a result cannot be written.
    """
    opened = open_suite(suite, restorer.card, photos)
    if oracles and not any(case.sigma for case in CASES.get(suite, ())):
        raise UsageError(
            f"the suite {suite!r} has no Gaussian blur that an oracle could be told",
            hint="leave out --oracles",
        )
    if out is not None:
        prepare_folder(out)
    distance = perceptual.load_distance() if perceptually else None
    scores = run_suite(restorer, opened, on_file, oracles=oracles, distance=distance)
    means = summarise(scores)
    if out is not None:
        sheet = contact_sheet(restorer, opened, scores, means)
        write_results(out, opened, scores, means, sheet)
    return means
