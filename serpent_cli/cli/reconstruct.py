"""`serpent reconstruct`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serpent_cli.cli import console, options
from serpent_cli.cli.cube_files import Json, Output, White, check_result, check_white, result_path
from serpent_cli.cli.help_pages import QUALITY, show_examples
from serpent_cli.cli.progress_bar import progress_bar
from serpent_cli.cli.weights import find_weights

if TYPE_CHECKING:
    from serpent_cli.cubes.cube import Samples

WIENER, GAP_TV = "wiener", "gap-tv"
BUNDLED = "reconstruct"

Measurement = Annotated[Path, typer.Argument(help="Snapshot: a plane as .npy, .mat, .tif or .png.")]
Mask = Annotated[
    Path,
    typer.Option(
        "--mask",
        metavar="FILE",
        help="Coded aperture, as high as the snapshot: .npy, .mat, .tif or .png.",
    ),
]
Step = Annotated[
    int,
    typer.Option("--step", min=1, metavar="N", help="Pixels by which the prism moves each band."),
]
Model = Annotated[
    str | None,
    options.of_models(
        "--model",
        help="A name, hf://owner/repo, or path; or wiener or gap-tv, which need no weights. By"
        " default reconstruct where it fits the snapshot, else wiener.",
        rich_help_panel=QUALITY,
    ),
]
Turns = Annotated[
    int,
    options.quality("--iterations", min=1, metavar="N", help="Iterations of gap-tv."),
]


def reconstruct(
    measurement: Measurement,
    mask: Mask,
    output: Output = None,
    force: options.Force = False,
    step: Step = 2,
    white: White = None,
    model: Model = None,
    iterations: Turns = 50,
    offline: options.Offline = False,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    json: Json = False,
) -> None:
    """Reconstruct all bands of a scene from one snapshot with a coded aperture (CASSI).

    Band k of the scene is coded by the mask and moved N·k pixels to the right; the snapshot is the
    sum of all bands. The number of bands follows from the sizes of both; the bundled weights are
    for 28, two pixels apart. --white is one band's full scale in units of the snapshot; by default
    1 for floats, and a guess for whole numbers.
    """
    check_white(white)
    goal = result_path(measurement, output, "cube", several=False, suffix=_suffix(measurement))
    check_result(goal, [measurement, mask], force=force)
    from serpent_cli.cubes.plane import read_plane

    begun = time.perf_counter()
    plane, aperture = read_plane(measurement), _mask(read_plane(mask))
    network, where = _network(model, plane, aperture, step, offline, device)
    import numpy as np

    from serpent_cli.restoration import snapshot
    from serpent_cli.restoration.device import use_threads

    use_threads(threads)
    values = plane.astype(np.float32)
    floats = plane.dtype.kind == "f"
    method = GAP_TV if model == GAP_TV else WIENER
    full = white or (1.0 if floats else snapshot.brightness(values, aperture, step))
    with progress_bar(1, "snapshots", quiet=quiet or json, unit="turns") as bar:
        bar.file(str(measurement), values.size)
        made = snapshot.reconstruct(
            values, aperture, step=step, white=full, method=method, turns=iterations,
            network=network, device=where, progress=lambda turn: bar.tile(turn, iterations),
        )  # fmt: skip
        _write(goal, made)
        bar.advance()
    record = {
        "input": str(measurement), "output": str(goal), "bands": len(made),
        "height": made.shape[1], "width": made.shape[2], "white": full,
        "method": network[1].name if network else method,
        "seconds": round(time.perf_counter() - begun, 2),
    }  # fmt: skip
    _show(record, quiet=quiet, json=json)


def _write(goal: Path, made: "Samples") -> None:
    from serpent_cli.cubes.cube import Cube
    from serpent_cli.cubes.files import written

    with written(goal, Cube(made)) as planes:
        planes[:] = made


def _show(record: dict[str, Any], *, quiet: bool, json: bool) -> None:
    if json:
        console.json_line(record)
        return
    if not quiet:
        console.note(f"{record['bands']} bands by {record['method']} in {record['seconds']} s")
    console.result(record["output"])


def _suffix(measurement: Path) -> str:
    """Of a result's name: the snapshot's own where a cube can have it."""
    suffix = measurement.suffix.lower()
    return suffix if suffix in (".npy", ".mat", ".tif", ".tiff") else ".tif"


def _mask(plane: "Samples") -> "Samples":
    """Transmission in [0, 1]: floats beyond it, and whole numbers, are over their largest."""
    import numpy as np

    values = plane.astype(np.float32)
    most = float(values.max())
    if plane.dtype.kind != "f" or most > 1:
        values = values / max(most, 1e-12)
    return values.clip(0, 1)


def _network(
    model: str | None, plane: "Samples", mask: "Samples", step: int, offline: bool, device: str
) -> tuple[Any, Any]:
    """The weights to use, with their card, or None for what needs none; and the device."""
    from serpent_cli.restoration.snapshot import bands_of, fits

    bands = bands_of(plane, mask, step)  # refuses what does not fit before anything is loaded
    found = None if model in (WIENER, GAP_TV) else find_weights(model or BUNDLED, offline=offline)
    if found is not None and model is None and not fits(found.card, bands, step):
        found = None
    from serpent_cli.restoration.device import choose_device

    where = choose_device(device)
    if found is None:
        return None, where
    from serpent_cli.zoo.load import load_model

    return load_model(found, where), where


show_examples(
    reconstruct,
    ("serpent reconstruct shot.npy --mask mask.npy", "to shot_cube.npy"),
    ("serpent reconstruct shot.mat --mask mask.mat -o scene.hdr", "to an ENVI cube"),
    ("serpent reconstruct shot.tif --mask mask.tif --step 1", "bands one pixel apart"),
)
