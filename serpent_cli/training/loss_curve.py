"""A picture of a run: loss and validation over its steps, drawn by matplotlib where it is there."""

import importlib
import json
from pathlib import Path
from typing import Any

from serpent_cli.whole_files import new_file


def can_draw() -> bool:
    """Whether matplotlib is installed, and loads."""
    try:
        importlib.import_module("matplotlib.figure")
    except ImportError:
        return False
    return True


def draw_curves(log: Path, target: Path) -> None:
    """Draw log.jsonl as a PNG, whole or not at all; nothing where matplotlib is absent.

    Args:
        log: Lines of `StepReport`.
        target: The PNG.
    """
    if not can_draw() or not log.exists():
        return
    from matplotlib.figure import Figure  # not pyplot, which would look for a screen

    lines: list[dict[str, Any]] = [
        json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()
    ]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    left = figure.add_subplot()
    left.plot([line["step"] for line in lines], [line["loss"] for line in lines], "C0")
    positive = min(line["loss"] for line in lines) > 0  # in decibels it falls below
    left.set(xlabel="step", ylabel="loss", yscale="log" if positive else "linear")
    left.yaxis.label.set_color("C0")
    measured = [line for line in lines if line.get("val_psnr") is not None]
    if measured:
        right = left.twinx()
        gains = [line["val_psnr"] for line in measured]
        right.plot([line["step"] for line in measured], gains, "C1o-", markersize=3)
        right.set_ylabel("PSNR gained on held-out crops, dB", color="C1")
    with new_file(target, force=True) as stream:
        figure.savefig(stream, format="png", dpi=120)
