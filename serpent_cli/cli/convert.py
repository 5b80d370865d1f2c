"""`serpent models convert`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serpent_cli.cli import console, options
from serpent_cli.cli.help_pages import show_examples
from serpent_cli.errors import UsageError

if TYPE_CHECKING:
    from serpent_cli.zoo.convert import Converted

Source = Annotated[
    Path, typer.Argument(help="State dict of PyTorch (.pth, .pt, .ckpt) or .safetensors.")
]
Out = Annotated[
    Path,
    typer.Option("-o", "--output", metavar="FILE", help="Weights to write, a .safetensors file."),
]
Sizes = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        show_default="the sizes that the file names",
        help="Sizes of the network, JSON as the config of a model's card has them.",
    ),
]


def convert(
    file: Source,
    output: Out,
    config: Sizes = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Convert weights of another program; no code in the file is run.

    Blocks may have our names or VMamba's (self_attention.in_proj, A_logs, ...). The parts around
    them must have ours (patchifier, d1 .. d3, b, u3 .. u1, depatchifier): the
    paper publishes no names for them. Published networks are converted by their own names: EVSSM,
    for `serpent deblur --model`, CST and CFSDCN for `serpent reconstruct --model`. Their files tell
    the sizes; for others, give --config. What does not match is listed, and nothing is written. A
    pickle is opened in a separate process, with limits of memory and time, and only plain tensors
    are read.
    """
    _check_place(output, force=force)
    from serpent_cli.zoo.checkpoint import save_weights
    from serpent_cli.zoo.convert import UnmatchedError, read_sizes
    from serpent_cli.zoo.convert import convert as convert_file

    try:
        converted = convert_file(file, read_sizes(config) if config else None)
    except UnmatchedError as error:
        if not json:
            console.table(error.rows)
        raise
    save_weights(converted.tensors, converted.config, output)
    if json:
        console.json_line(_record(output, converted))
        return
    if not quiet:
        for note in converted.notes:
            console.note(note)
    console.result(str(output))


show_examples(
    convert,
    ("serpent models convert evssm.pth -o evssm.safetensors", "EVSSM's network for motion blur"),
    ("serpent models convert cst_s.pth -o cst-s.safetensors", "CST, for coded snapshots"),
    ("serpent models convert a.ckpt -o b.safetensors --config sizes.json", "blocks of VMamba"),
)


def _check_place(output: Path, *, force: bool) -> None:
    """Refuse a place where the result would not be, or where it would do harm.

    Raises:
        UsageError: With the way out.
    """
    if output.suffix != ".safetensors":
        raise UsageError(f"{output} does not end in .safetensors", hint="name it so")
    if not output.parent.is_dir():
        raise UsageError(f"there is no folder {output.parent}", hint="make it first")
    if output.is_dir():
        raise UsageError(f"cannot write {output}: it is a folder", hint="give another name")
    if output.exists() and not force:
        raise UsageError(f"cannot write {output}: it exists", hint="use --force to replace it")
    card = output.with_suffix(".json")
    if card.exists():
        raise UsageError(
            f"{card} is the card of other weights, and would be taken for that of {output.name}",
            hint="move it away, or give another name",
        )


def _record(output: Path, converted: "Converted") -> dict[str, object]:
    return {
        "output": str(output),
        "tensors": len(converted.tensors),
        "config": vars(converted.config),
        "notes": list(converted.notes),
    }
