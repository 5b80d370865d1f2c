"""One evaluation from the folder of photographs or cubes to the table and the files beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from serpent_cli.errors import NoInputError, UsageError
from serpent_cli.evaluation import perceptual
from serpent_cli.evaluation.cases import CASES
from serpent_cli.evaluation.cube_folder import cube_files
from serpent_cli.evaluation.cube_suite import score_denoiser, score_snapshots
from serpent_cli.evaluation.results import prepare_folder, write_results, write_sheet
from serpent_cli.evaluation.sheet import contact_sheet, whole_sheet
from serpent_cli.evaluation.suite import OnFile, Score, run_suite
from serpent_cli.evaluation.suite_names import DENOISE_CUBE, RECONSTRUCT
from serpent_cli.evaluation.summary import Mean, summarise
from serpent_cli.evaluation.trial import Suite, open_suite

if TYPE_CHECKING:
    import torch
    from torch import nn

    from serpent_cli.restoration.cube_denoiser import CubeDenoiser
    from serpent_cli.restoration.restorer import Restorer
    from serpent_cli.restoration.snapshot import Method
    from serpent_cli.zoo.card import Card


def evaluate(
    restorer: "Restorer",
    suite: str,
    photos: Path | None,
    *,
    oracles: bool = False,
    perceptually: bool = False,
    out: Path | None = None,
    beside: "Restorer | None" = None,
    shown: Sequence[str] = (),
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
        out: Folder for results.json, results.csv, results.md, contact-sheet.png, and a
            whole-NAME.png for each photograph that is shown whole.
        beside: Another restorer, not scored, whose results stand beside on the sheets.
        shown: Names of photographs to show whole, at full size.
        on_file: Called with (photographs done, photographs in all).

    Raises:
        UsageError: There is no such suite, it is not the model's task or that of the one beside it,
            or it has no Gaussian that an oracle could be told.
        NoInputError: The folder holds no photograph, or none of a name that is to be shown, or one
            of a pair is missing.
        DeviceError: The weights of ST-LPIPS are missing.
        PictureError: A photograph cannot be read or scored, or a result cannot be written.
    """
    opened = open_suite(suite, restorer.card, photos)
    if oracles and not any(case.sigma for case in CASES.get(suite, ())):
        raise UsageError(
            f"the suite {suite!r} has no Gaussian blur that an oracle could be told",
            hint="leave out --oracles",
        )
    if beside is not None:
        _check_beside(restorer, beside)
    wanted = {name: _named(opened, name) for name in shown}
    if out is not None:
        prepare_folder(out)
    distance = perceptual.load_distance() if perceptually else None
    scores = run_suite(restorer, opened, on_file, oracles=oracles, distance=distance)
    means = summarise(scores)
    if out is not None:
        restorers = {"ours": restorer}
        if beside is not None:
            restorers = {beside.card.name: beside, restorer.card.name: restorer}
        write_results(out, suite, restorer.card, scores, means)
        write_sheet(out, "contact-sheet", contact_sheet(restorers, opened, scores, means))
        for name, files in wanted.items():
            write_sheet(out, f"whole-{name}", whole_sheet(restorers, opened, files, means))
    return means


def evaluate_denoiser(
    denoiser: "CubeDenoiser",
    folder: Path | None,
    *,
    out: Path | None = None,
    on_file: OnFile | None = None,
) -> list[Mean]:
    """Score a denoiser of cubes.

    Args:
        denoiser: What a user would run.
        folder: Clean cubes, with data everywhere; see `cube_folder`.
        out: Folder for results.json, results.csv and results.md.
        on_file: Called with (cubes done, cubes in all).

    Raises:
        UsageError: No folder was given.
        NoInputError: It holds no cube.
        PictureError: A cube cannot be read or scored, or a result cannot be written.
    """
    files = _cubes(folder, out)
    scores = score_denoiser(denoiser, files, on_file)
    return _summed(DENOISE_CUBE, denoiser.card, scores, out)


def evaluate_snapshots(
    method: "Method | tuple[nn.Module, Card]",
    folder: Path | None,
    *,
    device: "torch.device | None" = None,
    out: Path | None = None,
    on_file: OnFile | None = None,
) -> list[Mean]:
    """Score a reconstruction of snapshots; arguments and errors else as of `evaluate_denoiser`.

    Args:
        method: Trained weights with their card, or what needs none.
        folder: Cubes that have its bands, among others, which are left out.
        device: Where the weights lie.
        out: See there.
        on_file: See there.

    Raises:
        ModelError: The weights are for something else.
        NoInputError: No cube has the bands.
    """
    files = _cubes(folder, out)
    scores = score_snapshots(method, files, on_file, device=device)
    return _summed(RECONSTRUCT, method if isinstance(method, str) else method[1], scores, out)


def _cubes(folder: Path | None, out: Path | None) -> list[Path]:
    files = cube_files(folder)
    if out is not None:
        prepare_folder(out)
    return files


def _summed(
    suite: str, model: "Card | str", scores: Sequence[Score], out: Path | None
) -> list[Mean]:
    means = summarise(scores)
    if out is not None:
        write_results(out, suite, model, scores, means)
    return means


def _check_beside(restorer: "Restorer", beside: "Restorer") -> None:
    ours, other = restorer.card, beside.card
    if (ours.task, ours.scale) != (other.task, other.scale):
        raise UsageError(
            f"the model {other.name} cannot stand beside {ours.name}",
            hint=f"one that does the same is needed: {ours.task}, x{ours.scale}",
        )
    if ours.name == other.name:
        raise UsageError(f"both models are called {ours.name}", hint="compare two different ones")


def _named(suite: Suite, name: str) -> tuple[Path, ...]:
    for files in suite.files:
        if files[0].name == name:
            return files
    raise NoInputError(
        f"there is no photograph {name} to show", hint=f"one of them is {suite.files[0][0].name}"
    )
