"""`serpent eval`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serpent_cli.cli import completing, console, options
from serpent_cli.cli.help_pages import show_examples
from serpent_cli.cli.progress_bar import progress_bar
from serpent_cli.errors import UsageError
from serpent_cli.evaluation.suite_names import (
    CUBES,
    DENOISE_CUBE,
    RECONSTRUCT,
    SUITES,
    check_suite,
)
from serpent_cli.restoration.arguments import parse_tile

if TYPE_CHECKING:
    from serpent_cli.cli.progress_bar import Bar
    from serpent_cli.evaluation.summary import Mean
    from serpent_cli.restoration.restorer import Restorer

ENLARGING = ("upscale", "upscale-real", "pairs", "flat")  # suites for which --scale makes sense


SuiteName = Annotated[
    str,
    typer.Argument(
        help=f"{', '.join(SUITES[:-1])} or {SUITES[-1]}.",
        autocompletion=completing.one_of(*SUITES),
    ),
]
Photos = Annotated[
    Path | None,
    typer.Option(
        "--photos",
        metavar="FOLDER",
        help="Folder of sharp photographs; for pairs, of ref/ and in/; for denoise-cube and"
        " reconstruct, of cubes; not for flat.",
    ),
]
Scale = Annotated[
    int | None,
    typer.Option(
        "-s",
        "--scale",
        min=1,
        metavar="N",
        autocompletion=completing.scales,
        help="Scale of the bundled model, for upscale, upscale-real (8), pairs or flat (1).",
    ),
]
Model = Annotated[
    str | None,
    options.of_models(
        "--model",
        help="Name or path; by default the bundled one for the suite. For reconstruct also wiener"
        " or gap-tv, which need no weights.",
    ),
]
Oracles = Annotated[
    bool,
    typer.Option(
        "--oracles", help="Compare with deconvolution that is told the true Gaussian (slow)."
    ),
]
Perceptual = Annotated[
    bool,
    typer.Option(
        "--perceptual",
        help="Also compute ST-LPIPS, if the package stlpips-pytorch is installed (very slow).",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FOLDER",
        help="Folder for results.json, .csv, .md and, of photographs, contact-sheet.png.",
    ),
]
Beside = Annotated[
    str | None,
    options.of_models(
        "--beside", help="Another model, not scored, to show beside this one in --out."
    ),
]
Show = Annotated[
    list[str] | None,
    typer.Option(
        "--show",
        metavar="NAME",
        help="A photograph to show at full size in --out, as whole-NAME.png; may be repeated.",
    ),
]
WriteCard = Annotated[
    bool, typer.Option("--write-card", help="Write the scores into the card beside --model PATH.")
]


def evaluate(
    suite: SuiteName,
    photos: Photos = None,
    scale: Scale = None,
    model: Model = None,
    oracles: Oracles = False,
    perceptual: Perceptual = False,
    out: Out = None,
    beside: Beside = None,
    show: Show = None,
    device: options.Device = "auto",
    tile: options.Tile = "auto",
    write_card: WriteCard = False,
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Score a model on photographs or cubes; exits with 1 if a bar of the project is missed."""
    from serpent_cli.evaluation.packages import require_packages
    from serpent_cli.restoration.device_names import check_device

    check_suite(suite)
    if scale is not None and suite not in ENLARGING:
        raise UsageError(f"--scale has no meaning for the suite {suite!r}", hint="leave it out")
    if write_card and (model is None or not model.endswith(".safetensors")):
        raise UsageError("--write-card needs --model PATH", hint="give a path to .safetensors")
    if out is None and (beside is not None or show):
        raise UsageError("--beside and --show need --out", hint="give a folder for the sheets")
    if suite in CUBES:
        _check_cubes(suite, tile, oracles or perceptual or beside is not None or bool(show))
    check_device(device)
    name, side = model or _bundled(suite, scale), parse_tile(tile)
    require_packages()
    from serpent_cli.evaluation import run
    from serpent_cli.restoration.device import use_threads

    use_threads(threads)
    with progress_bar(1, suite, quiet=quiet, unit="pictures") as bar:
        if suite in CUBES:
            bar.file("cubes")
            means = _of_cubes(suite, name, photos, device, side, out, bar)
        else:
            restorer = _load(name, device, side)
            other = None if beside is None else _load(beside, device, side)
            bar.file("pictures" if photos is None else "photographs")
            means = run.evaluate(
                restorer, suite, photos, oracles=oracles, perceptually=perceptual, out=out,
                beside=other, shown=show or (), on_file=bar.tile,
            )  # fmt: skip
    _show(means, out, quiet=quiet, json=json)
    if write_card and model is not None:
        _keep(Path(model), suite, "colours" if photos is None else photos.name, means)
    if any(mean.met is False for mean in means):
        raise typer.Exit(1)


def _check_cubes(suite: str, tile: str, sheets: bool) -> None:
    """Refuse options that mean nothing for cubes.

    Raises:
        UsageError: One was given.
    """
    if sheets:
        raise UsageError(
            f"--oracles, --perceptual, --beside and --show mean nothing for the suite {suite!r}",
            hint="leave them out; `serpent compare` shows two cubes",
        )
    if suite == RECONSTRUCT and tile != "auto":
        raise UsageError(
            f"--tile has no meaning for the suite {suite!r}", hint="a snapshot is taken whole"
        )


def _of_cubes(
    suite: str,
    model: str,
    folder: Path | None,
    device: str,
    side: str | int,
    out: Path | None,
    bar: "Bar",
) -> "list[Mean]":
    from serpent_cli.evaluation import run
    from serpent_cli.restoration.cube_denoiser import CubeDenoiser
    from serpent_cli.restoration.device import choose_device
    from serpent_cli.restoration.snapshot import METHODS
    from serpent_cli.zoo.load import load_model

    if suite == DENOISE_CUBE:
        denoiser = CubeDenoiser.from_pretrained(model, device=device, tile=side)
        return run.evaluate_denoiser(denoiser, folder, out=out, on_file=bar.tile)
    where = choose_device(device)
    method = METHODS.get(model) or load_model(model, where)
    return run.evaluate_snapshots(method, folder, device=where, out=out, on_file=bar.tile)


def _bundled(suite: str, scale: int | None) -> str:
    """Name of the suite's own model."""
    if suite in CUBES:
        return suite
    from serpent_cli.zoo.locate import upscaler

    factor = scale or (8 if suite.startswith("upscale") else 1)
    return "deblur" if factor == 1 else upscaler(factor)


def _load(model: str, device: str, tile: str | int) -> "Restorer":
    from serpent_cli.restoration.restorer import Restorer

    return Restorer.from_pretrained(model, device=device, tile=tile)


def _show(means: "list[Mean]", out: Path | None, *, quiet: bool, json: bool) -> None:
    from serpent_cli.evaluation import table

    if json:
        for mean in means:
            console.json_line(dataclasses.asdict(mean))
    else:
        console.table(table.rows(means))
        console.result("")
        console.result(table.caption(means))
    if out is not None and not quiet:
        sheet = "" if means[0].baseline else " and contact sheet"
        console.note(f"results{sheet} written to {out}")


def _keep(weights: Path, suite: str, photos: str, means: "list[Mean]") -> None:
    """Replace the suite's scores in the card; those of other suites stay."""
    from serpent_cli.evaluation.summary import records
    from serpent_cli.training.export import write_card
    from serpent_cli.zoo.card import Card

    path = weights.with_suffix(".json")
    card = Card.read(path)
    others = [score for score in card.scores if score.get("suite") != suite]
    write_card(dataclasses.replace(card, scores=others + records(means, suite, photos)), path)
    console.note(f"scores written to {path}")


show_examples(
    evaluate,
    ("serpent eval deblur --photos val/", "the bundled model"),
    ("serpent eval upscale --scale 4 --photos Set14/", "scored as in publications"),
    (
        "serpent eval upscale -s 4 --photos val/ --beside upscale-x4-crisp --out s/",
        "another model shown beside it",
    ),
    (
        "serpent eval gaussian --photos val/ --oracles --out scores/",
        "compared with classical deconvolution",
    ),
    (
        "serpent eval pairs --photos shots/ --model ./mine.safetensors",
        "sharp: shots/ref, input: shots/in",
    ),
    ("serpent eval denoise-cube --photos cubes/", "cubes beside non-local means"),
)
