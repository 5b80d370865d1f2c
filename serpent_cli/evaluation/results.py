"""A folder of results: JSON, CSV, Markdown and of photographs the contact sheet.

Each is written whole or not at all.
"""

import csv
import dataclasses
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from serpent_cli.errors import PictureError, reason_of
from serpent_cli.evaluation.sheet import Pixels
from serpent_cli.evaluation.suite import Score
from serpent_cli.evaluation.summary import CEILING, Mean
from serpent_cli.evaluation.table import caption, markdown
from serpent_cli.filenames import json_text
from serpent_cli.whole_files import new_file
from serpent_cli.zoo.card import Card


def prepare_folder(folder: Path) -> None:
    """Make the folder of results, before the work whose results it will hold.

    Raises:
        PictureError: The system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(
            f"cannot make the folder {folder}: {reason_of(error)}", hint="choose another --out"
        ) from error


def write_results(
    folder: Path,
    suite: str,
    model: Card | str,
    scores: Sequence[Score],
    means: Sequence[Mean],
) -> list[Path]:
    """Write results.json, results.csv and results.md; older ones are replaced.

    Args:
        folder: Where; it exists.
        suite: Name of what was run.
        model: Card of what was scored, or the name of a method without weights.
        scores: Every photograph or cube in every case: only results.json holds them.
        means: The table.

    Returns:
        The files written.

    Raises:
        PictureError: A file cannot be written.
    """
    contents = {
        "results.json": _as_json(suite, model, scores, means).encode(),
        "results.csv": _as_csv(means).encode("utf-8", "surrogateescape"),
        "results.md": markdown(means).encode("utf-8", "surrogateescape"),
    }
    for name, data in contents.items():
        with new_file(folder / name, force=True) as stream:
            stream.write(data)
    return [folder / name for name in contents]


def write_sheet(folder: Path, name: str, sheet: Pixels) -> Path:
    """Write a sheet (H, W, 3) as NAME.png; an older one is replaced.

    Returns:
        The file written.

    Raises:
        PictureError: It cannot be written.
    """
    path = folder / f"{name}.png"
    with new_file(path, force=True) as stream:
        Image.fromarray(sheet).save(stream, "PNG")
    return path


def _as_json(suite: str, model: Card | str, scores: Sequence[Score], means: Sequence[Mean]) -> str:
    name, digest = (model, "") if isinstance(model, str) else (model.name, model.sha256)
    record = {
        "suite": suite,
        "model": name,
        "sha256": digest,
        "caption": caption(means),
        "means": [dataclasses.asdict(mean) for mean in means],
        "scores": [_finite(dataclasses.asdict(score)) for score in scores],
    }
    return json_text(record, indent=1, allow_nan=False) + "\n"


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no infinity: equal pictures count as the ceiling."""
    infinite = {name for name, value in record.items() if value == math.inf}
    return record | dict.fromkeys(infinite, CEILING)


def _as_csv(means: Sequence[Mean]) -> str:
    text = io.StringIO()
    names = [entry.name for entry in dataclasses.fields(Mean)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(mean) for mean in means)
    return text.getvalue()
