"""`serpent eval`."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from serpent_cli.cli import console, options
from serpent_cli.errors import UsageError


def evaluate(
    suite: Annotated[str, typer.Argument(help="deblur or upscale.")],
    photos: Annotated[Path, typer.Option("--photos", help="Folder of sharp PNG photographs.")],
    model: Annotated[
        str | None, typer.Option("--model", help="Name or path; by default the suite's own.")
    ] = None,
    device: options.Device = "auto",
    tile: options.Tile = "auto",
    write_card: Annotated[
        bool, typer.Option("--write-card", help="Keep the scores in the card beside --model PATH.")
    ] = False,
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Score a model on photographs; exits with 1 if one of the project's bars is missed."""
    import torch

    from serpent_cli.evaluation.report import records, rows, summarise
    from serpent_cli.evaluation.suite import run_suite
    from serpent_cli.restore.restorer import Restorer

    if write_card and (model is None or not model.endswith(".safetensors")):
        raise UsageError("--write-card needs --model PATH", hint="give a path to .safetensors")
    if threads:
        torch.set_num_threads(threads)
    default = {"deblur": "deblur", "upscale": "upscale-x8"}.get(suite, suite)
    restorer = Restorer.load(model or default, device=device, tile=options.parse_tile(tile))
    with console.progress_bar(1, suite, quiet=quiet) as bar:
        bar.file("photographs")
        means = summarise(run_suite(restorer, suite, photos, bar.tile))
    if json:
        for mean in means:
            console.json_line(dataclasses.asdict(mean))
    else:
        console.table(rows(means))
    if write_card and model is not None:
        _keep(Path(model), records(means, suite, photos.name))
    if any(mean.met is False for mean in means):
        raise typer.Exit(1)


def _keep(weights: Path, scores: list[dict[str, object]]) -> None:
    from serpent_cli.training.export import write_card
    from serpent_cli.zoo.card import Card

    path = weights.with_suffix(".json")
    write_card(dataclasses.replace(Card.read(path), scores=scores), path)
    console.note(f"scores written to {path}")


evaluate.__doc__ = f"{evaluate.__doc__}\n\n" + options.examples(
    ("serpent eval deblur --photos val/", "the bundled model"),
    ("serpent eval upscale --photos val/ --model runs/x8/upscale-x8.safetensors", "another"),
)
