"""Options that several commands share, as Annotated types."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from serpent_cli.cli import completing
from serpent_cli.cli.help_pages import BATCH, INPUT_OUTPUT, QUALITY, RESOURCES, STYLE
from serpent_cli.imaging.formats import format_names

Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        help="Pictures, folders, patterns, URLs, @FILE (a list of names), or - for standard input.",
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="PLACE",
        show_default=False,
        help="File or folder to write to, URL of either, or - for standard output.",
        rich_help_panel=INPUT_OUTPUT,
    ),
]
Recursive = Annotated[
    bool,
    typer.Option(
        "-r",
        "--recursive",
        help="Include subfolders; results keep the same tree.",
        rich_help_panel=INPUT_OUTPUT,
    ),
]
FromZero = Annotated[
    bool,
    typer.Option(
        "--from0",
        help="Read names from standard input, each ended by a NUL byte.",
        rich_help_panel=INPUT_OUTPUT,
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="TEMPLATE",
        help="File name of each result, such as '{stem}_{task}{scale}.{ext}'.",
        rich_help_panel=INPUT_OUTPUT,
    ),
]
FORMATS = format_names()
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        show_default="the input's",
        help=f"Format of the results: {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.",
        autocompletion=completing.one_of(*FORMATS),
        rich_help_panel=INPUT_OUTPUT,
    ),
]
Force = Annotated[
    bool,
    typer.Option("-f", "--force", help="Replace existing files.", rich_help_panel=INPUT_OUTPUT),
]
RegionOption = Annotated[
    str | None,
    typer.Option(
        "--region",
        metavar="X,Y,W,H",
        help="Restore only this part of the input.",
        rich_help_panel=INPUT_OUTPUT,
    ),
]
MaxPixels = Annotated[
    int,
    typer.Option(
        "--max-pixels",
        min=1,
        metavar="N",
        help="Refuse pictures with more pixels than this.",
        rich_help_panel=INPUT_OUTPUT,
    ),
]

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="A name (see `serpent models list`), hf://owner/repo, or path to .safetensors.",
        autocompletion=completing.models,
        rich_help_panel=QUALITY,
    ),
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help="Download nothing; use bundled and cached weights only.",
        rich_help_panel=QUALITY,
    ),
]
Strength = Annotated[
    float,
    typer.Option(
        "--strength",
        min=0,
        max=1,
        metavar="SHARE",
        help="How much of the change to apply, from 0 (none) to 1 (all).",
        rich_help_panel=QUALITY,
    ),
]
Quality = Annotated[
    int | None,
    typer.Option(
        "--quality",
        min=1,
        max=100,
        metavar="N",
        show_default="a JPEG's own, else high",
        help="Quality of JPEG, WebP and AVIF results; 100 is lossless for WebP and AVIF.",
        rich_help_panel=QUALITY,
    ),
]
Size = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="GEOMETRY",
        help="Size of the result as ImageMagick writes it: 1920x1080, x1080, 50%, 800x600!.",
        rich_help_panel=INPUT_OUTPUT,
    ),
]

Device = Annotated[
    str,
    typer.Option(
        "--device",
        "--devices",
        metavar="DEVICE",
        help="auto, cpu, cuda, cuda:1, mps, xpu, or several: cuda:0,cuda:1."
        " If you name one and it is missing, serpent stops.",
        autocompletion=completing.one_of("auto", "cpu", "cuda", "mps", "xpu"),
        rich_help_panel=RESOURCES,
    ),
]
Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="PRECISION",
        help="auto, fp32 or bf16; auto uses bf16 where the hardware computes it faster.",
        autocompletion=completing.one_of("auto", "fp32", "bf16"),
        rich_help_panel=RESOURCES,
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        "--max-memory",
        metavar="SIZE",
        help="Limit for the memory of the whole process, such as 2G (G = 2^30).",
        rich_help_panel=RESOURCES,
    ),
]
MaxVram = Annotated[
    str | None,
    typer.Option(
        "--max-vram",
        metavar="SIZE",
        help="Limit for the memory on the GPU, if one is used.",
        rich_help_panel=RESOURCES,
    ),
]
Tile = Annotated[
    str,
    typer.Option(
        "--tile",
        metavar="SIDE",
        help="auto, whole, or the side of a tile in input pixels.",
        autocompletion=completing.one_of("auto", "whole"),
        rich_help_panel=RESOURCES,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        metavar="N",
        help="CPU threads; all cores by default.",
        rich_help_panel=RESOURCES,
    ),
]

Jobs = Annotated[
    int,
    typer.Option(
        "-j",
        "--jobs",
        min=1,
        metavar="N",
        help="Pictures restored at once on each device.",
        rich_help_panel=BATCH,
    ),
]
Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(
        "--engine",
        help="Run on this machine, or on the Ray cluster at RAY_ADDRESS.",
        rich_help_panel=BATCH,
    ),
]
ServerOption = Annotated[
    bool,
    typer.Option(
        "--server",
        help="Let a running `serpent serve` do it; SERPENT_SERVER says where it listens.",
        rich_help_panel=BATCH,
    ),
]
ManifestOption = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        show_default="in the folder of results",
        help="Record of finished pictures. Run the same command again to resume.",
        rich_help_panel=BATCH,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "-n",
        "--dry-run",
        help="Change nothing; show what would be done, and the memory and time it needs.",
        rich_help_panel=BATCH,
    ),
]
FailFast = Annotated[
    bool,
    typer.Option("--fail-fast", help="Stop after the first failure.", rich_help_panel=BATCH),
]

Quiet = Annotated[
    bool,
    typer.Option("-q", "--quiet", help="Only errors and warnings.", rich_help_panel=STYLE),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="One JSON object for each result, and a summary.",
        rich_help_panel=STYLE,
    ),
]

DEFAULT_MAX_PIXELS = 500_000_000  # imaging.read's; not imported, so that --help stays instant
