"""`serpent train`."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serpent_cli.cli import console, options
from serpent_cli.cli.help_pages import show_examples
from serpent_cli.cli.progress_bar import progress_bar
from serpent_cli.errors import NoInputError, SerpentError, UsageError, reason_of

if TYPE_CHECKING:
    from filelock import FileLock
    from torch import Tensor

    from serpent_cli.training.loop import Trainer
    from serpent_cli.training.run_log import StepReport
    from serpent_cli.zoo.card import Card


Recipe = Annotated[Path, typer.Argument(help="Recipe, a TOML file; see recipes/.")]
Photos = Annotated[
    list[Path],
    typer.Option(
        "--photos",
        metavar="FOLDER",
        help="Folder of photographs, or of .tar files; or a .tar. May be repeated.",
    ),
]
Minutes = Annotated[
    float | None,
    typer.Option(
        "--minutes",
        min=0,
        metavar="N",
        help="Stop after this many minutes and write the weights so far; run again to resume.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FOLDER", help="Folder of the run; runs/NAME by default."),
]
Init = Annotated[
    str | None,
    options.of_models("--init", help="Start from these weights: a name or a path."),
]
ValPhotos = Annotated[
    Path | None,
    typer.Option(
        "--val-photos",
        metavar="FOLDER",
        help="Photographs to validate on; by default some of --photos are set aside.",
    ),
]


def train(
    recipe: Recipe,
    photos: Photos,
    out: Out = None,
    init: Init = None,
    val_photos: ValPhotos = None,
    minutes: Minutes = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Train weights by a recipe; run the same command again to resume.

    The run's folder receives the log (log.jsonl), a picture of it (progress.png), the state to go
    on from, and at the end the weights and their card. See docs/training.md, also for several GPUs.
    """
    from serpent_cli.restoration.device_names import check_device

    check_device(device)
    _check_folders("--photos", photos)
    _check_folders("--val-photos", [val_photos] if val_photos else [])
    from serpent_cli.restoration.device import choose_device, use_threads
    from serpent_cli.training.export import export
    from serpent_cli.training.loop import Trainer
    from serpent_cli.training.processes import join_processes
    from serpent_cli.training.recipe import read_recipe

    plan = read_recipe(recipe)
    processes, chosen = join_processes(choose_device(device))
    quiet = quiet or processes.rank > 0
    use_threads(threads)
    folder = out or Path("runs") / plan.name
    if processes.rank == 0 and folder.exists():  # told before photographs are decoded
        _alone(folder).release()
    (start, before), halo = _weights(init), 2 * plan.data.halo
    pictures = _decoded(photos, plan.data.crop + halo, quiet)
    side = plan.validation.crop + halo
    held_out = _decoded([val_photos], side, quiet) if val_photos else None
    trainer = Trainer(plan, pictures, folder, chosen, start, held_out=held_out, processes=processes)
    if not quiet:
        console.note(_beginning(trainer, init))
    with _alone(folder) if processes.rank == 0 else nullcontext():
        trainer.run(lambda report: _show(report, quiet, json), minutes)
        processes.leave()
        if processes.rank == 0:
            named = "".join(
                f" {option} {word}" for option, word in (("--out", out), ("--init", init)) if word
            )
            command = f"serpent train {recipe} --photos DIR{named}"
            console.result(str(folder / export(trainer, photos, command, before).file))


def _alone(folder: Path) -> "FileLock":
    """Make the folder of a run, and keep a second run out of it until this one ends.

    Raises:
        UsageError: Another run is at work there.
        SerpentError: The folder cannot be used.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".train.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"another training run is at work in {folder}",
            hint="wait until it has ended, or give another --out",
        ) from None
    except OSError as error:
        raise SerpentError(
            f"cannot use the folder {folder}: {reason_of(error)}", hint="give another --out"
        ) from error
    return lock


def _check_folders(option: str, sources: list[Path]) -> None:
    """Refuse photographs that are not there, before torch loads and others are decoded."""
    for source in sources:
        if not source.exists():
            raise NoInputError(
                f"{option} {source} does not exist",
                hint="it takes a folder of photographs, or a .tar of them",
            )


def _beginning(trainer: "Trainer", init: str | None) -> str:
    """Where the run stands, in words."""
    step, steps, where = trainer.state.step, trainer.recipe.optim.steps, trainer.out
    if step == 0:
        after = f"from the weights {init}" if init else "from nothing"
        return f"training {where} {after}: {steps} steps on {trainer.device}"
    again = init and not trainer.recipe.optim.start_share
    ignored = "; --init is not used again" if again else ""
    if step >= steps:
        return f"{where} is finished at step {step}: its weights are only written again{ignored}"
    return (
        f"resuming {where} at step {step} of {steps}, from {trainer.checkpoint.name},"
        f" on {trainer.device}{ignored}"
    )


def _weights(init: str | None) -> "tuple[dict[str, Tensor] | None, Card | None]":
    """What to start from, and the card that tells its history."""
    from serpent_cli.zoo.locate import locate

    if init is None:
        return None, None
    found = locate(init)
    return found.weights.tensors, found.card


def _decoded(sources: list[Path], least_side: int, quiet: bool) -> "list[Tensor]":
    from serpent_cli.training.photos import load_photos

    with progress_bar(len(sources), "photographs", quiet=quiet) as bar:
        pictures: list[Tensor] = []
        for source in sources:
            bar.file(str(source))
            pictures += load_photos(source, least_side, bar.tile)
        return pictures


def _show(report: "StepReport", quiet: bool, json: bool) -> None:
    from serpent_cli.training.loss_curve import can_draw

    if json:
        console.json_line(vars(report))
    elif not quiet:
        console.note(_line(report))
        if report.step == report.steps and not can_draw():
            console.note("progress.png is not drawn: matplotlib is not installed")


def _line(report: "StepReport") -> str:
    left = (report.steps - report.step) * report.seconds / max(report.step, 1)
    return (
        f"step {report.step}/{report.steps}  loss {report.loss:.5f}  lr {report.lr:.2e}"
        f"  {report.crops_per_second:.1f} crops/s  data {report.data_share:.0%}"
        f"  scan {report.scan_share:.0%}  left {left / 60:.0f} min"
        + ("" if report.val_psnr is None else f"  held out {report.val_psnr:+.2f} dB")
    )


show_examples(
    train,
    ("serpent train recipes/deblur-even.toml --photos photos/", "a small model, from scratch"),
    ("serpent train my.toml --photos photos/ --init deblur", "start from published weights"),
)
