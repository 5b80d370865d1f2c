"""`serpent train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serpent_cli.cli import console, options

if TYPE_CHECKING:
    from serpent_cli.training.report import StepReport


def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe, a TOML file; see recipes/.")],
    photos: Annotated[Path, typer.Option("--photos", help="Folder of photographs.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the run; runs/NAME by default.")
    ] = None,
    init: Annotated[
        str | None, typer.Option("--init", help="Start from these weights, a name or a path.")
    ] = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Train weights by a recipe; the same command goes on after a kill.

    The run's folder receives the log (log.jsonl), the state to go on from, and at the end the
    weights and their card.
    """
    import torch

    from serpent_cli.restore.device import choose_device
    from serpent_cli.training.export import export
    from serpent_cli.training.loop import Trainer
    from serpent_cli.training.photos import load_photos
    from serpent_cli.training.recipe import read_recipe
    from serpent_cli.zoo.checkpoint import read_weights
    from serpent_cli.zoo.locate import locate

    plan, chosen = read_recipe(recipe), choose_device(device)
    if threads:
        torch.set_num_threads(threads)
    weights = read_weights(locate(init)[0])[0] if init else None
    with console.progress_bar(1, "photographs", quiet=quiet) as bar:
        bar.file("decoded")
        pictures = load_photos(photos, plan.data.crop + 2 * plan.data.halo, bar.tile)
    trainer = Trainer(plan, pictures, out or Path("runs") / plan.name, chosen, weights)

    def on_report(report: "StepReport") -> None:
        if json:
            console.json_line(vars(report))
        elif not quiet:
            console.note(_line(report))

    trainer.run(on_report)
    command = f"serpent train {recipe} --photos DIR" + (f" --init {init}" if init else "")
    card = export(trainer, photos, command)
    console.result(str(trainer.out / card.file))


def _line(report: "StepReport") -> str:
    left = (report.steps - report.step) * report.seconds / max(report.step, 1)
    return (
        f"step {report.step}/{report.steps}  loss {report.loss:.5f}  lr {report.lr:.2e}"
        f"  {report.crops_per_second:.1f} crops/s  data {report.data_share:.0%}"
        f"  scan {report.scan_share:.0%}  left {left / 60:.0f} min"
    )


train.__doc__ = f"{train.__doc__}\n\n" + options.examples(
    ("serpent train recipes/deblur.toml --photos photos/", "the bundled deblur weights"),
    ("serpent train my.toml --photos photos/ --init deblur", "go on from published weights"),
)
