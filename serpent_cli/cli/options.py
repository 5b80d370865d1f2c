"""Options that several commands share, as Annotated types."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from serpent_cli.cli import completing
from serpent_cli.cli.help_pages import PANELS, QUALITY
from serpent_cli.imaging.formats import format_names

files, quality, resources, batch, style = (
    partial(typer.Option, rich_help_panel=panel) for panel in PANELS
)
"""Options in these groups of a help page."""
of_models = partial(typer.Option, metavar="MODEL", autocompletion=completing.models)
"""Options that take weights."""

Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        help="Pictures, folders, patterns, URLs, @FILE (a list of names), or - for standard input.",
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    files(
        "-o",
        "--output",
        metavar="PLACE",
        show_default=False,
        help="File or folder to write to, URL of either, or - for standard output.",
    ),
]
Recursive = Annotated[
    bool, files("-r", "--recursive", help="Include subfolders; results keep the same tree.")
]
FromZero = Annotated[
    bool, files("--from0", help="Read names from standard input, each ended by a NUL byte.")
]
Name = Annotated[
    str | None,
    files(
        "--name",
        metavar="TEMPLATE",
        help="File name of each result, such as '{stem}_{task}{scale}.{ext}'.",
    ),
]
FORMATS = format_names()
FormatOption = Annotated[
    str | None,
    files(
        "--format",
        metavar="FORMAT",
        show_default="the input's",
        help=f"Format of the results: {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.",
        autocompletion=completing.one_of(*FORMATS),
    ),
]
Force = Annotated[bool, files("-f", "--force", help="Replace existing files.")]
RegionOption = Annotated[
    str | None, files("--region", metavar="X,Y,W,H", help="Restore only this part of the input.")
]
MaxPixels = Annotated[
    int,
    files("--max-pixels", min=1, metavar="N", help="Refuse pictures with more pixels than this."),
]

Model = Annotated[
    str | None,
    of_models(
        "--model",
        help="A name (see `serpent models list`), hf://owner/repo, or path to .safetensors.",
        rich_help_panel=QUALITY,
    ),
]
Offline = Annotated[
    bool, quality("--offline", help="Download nothing; use bundled and cached weights only.")
]
Strength = Annotated[
    float,
    quality(
        "--strength",
        min=0,
        max=1,
        metavar="SHARE",
        help="How much of the change to apply, from 0 (none) to 1 (all).",
    ),
]
Quality = Annotated[
    int | None,
    quality(
        "--quality",
        min=1,
        max=100,
        metavar="N",
        show_default="a JPEG's own, else high",
        help="Quality of JPEG, WebP and AVIF results; 100 is lossless for WebP and AVIF.",
    ),
]
Size = Annotated[
    str | None,
    files(
        "--size",
        metavar="GEOMETRY",
        help="Size of the result as ImageMagick writes it: 1920x1080, x1080, 50%, 800x600!.",
    ),
]

Device = Annotated[
    str,
    resources(
        "--device",
        "--devices",
        metavar="DEVICE",
        help="auto, cpu, cuda, cuda:1, mps, xpu, or several: cuda:0,cuda:1."
        " If you name one and it is missing, serpent stops.",
        autocompletion=completing.one_of("auto", "cpu", "cuda", "mps", "xpu"),
    ),
]
Precision = Annotated[
    str,
    resources(
        "--precision",
        metavar="PRECISION",
        help="auto, fp32 or bf16; auto uses bf16 where the hardware computes it faster.",
        autocompletion=completing.one_of("auto", "fp32", "bf16"),
    ),
]
MaxMemory = Annotated[
    str | None,
    resources(
        "--max-memory",
        metavar="SIZE",
        help="Limit for the memory of the whole process, such as 2G (G = 2^30).",
    ),
]
MaxVram = Annotated[
    str | None,
    resources(
        "--max-vram", metavar="SIZE", help="Limit for the memory on the GPU, if one is used."
    ),
]
Tile = Annotated[
    str,
    resources(
        "--tile",
        metavar="SIDE",
        help="auto, whole, or the side of a tile in input pixels.",
        autocompletion=completing.one_of("auto", "whole"),
    ),
]
Threads = Annotated[
    int | None,
    resources("--threads", min=1, metavar="N", help="CPU threads; all cores by default."),
]

Jobs = Annotated[
    int,
    batch("-j", "--jobs", min=1, metavar="N", help="Pictures restored at once on each device."),
]
Engine = Annotated[
    Literal["local", "ray"],
    batch("--engine", help="Run on this machine, or on the Ray cluster at RAY_ADDRESS."),
]
ServerOption = Annotated[
    bool,
    batch(
        "--server",
        help="Let a running `serpent serve` do it; SERPENT_SERVER says where it listens.",
    ),
]
ManifestOption = Annotated[
    Path | None,
    batch(
        "--manifest",
        metavar="FILE",
        show_default="in the folder of results",
        help="Record of finished pictures. Run the same command again to resume.",
    ),
]
DryRun = Annotated[
    bool,
    batch(
        "-n",
        "--dry-run",
        help="Change nothing; show what would be done, and the memory and time it needs.",
    ),
]
FailFast = Annotated[bool, batch("--fail-fast", help="Stop after the first failure.")]

Quiet = Annotated[bool, style("-q", "--quiet", help="Only errors and warnings.")]
Json = Annotated[bool, style("--json", help="One JSON object for each result, and a summary.")]

DEFAULT_MAX_PIXELS = 500_000_000  # imaging.read's; not imported, so that --help stays instant
