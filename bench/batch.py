"""Whole batches by the real command: reading and writing hidden behind the network's work.

python -m bench batch
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from bench.timing import Row
from serpent_cli.restoration.restorer import Restorer

PICTURES = 500
WARM = 50  # pictures after which a batch is timed
MIDDLE, THUMBNAIL = (256, 256), (64, 64)  # one by one, and eight at a time
SHARE = 0.9


def rows() -> list[Row]:
    """The speed of 500 pictures of two sizes."""
    with tempfile.TemporaryDirectory() as folder:
        speed = [row for size in (MIDDLE, THUMBNAIL) for row in speed_rows(Path(folder), size)]
        return [*speed, Row("threads", torch.get_num_threads(), "")]


def speed_rows(folder: Path, size: tuple[int, int]) -> list[Row]:
    """Time of a batch against the time of the network alone on the same pictures."""
    name = f"{size[0]} x {size[1]}"
    source, target = folder / name, folder / f"{name}-out"
    make_pictures(source, size)
    forward = Restorer.from_pretrained("deblur", device="cpu").forward
    tile = np.random.default_rng(0).random((*size, 3), np.float32)
    alone = min(timed(lambda: [forward(tile) for _ in range(10)]) for _ in range(5)) / 10
    ends = run(source, target)
    each = (ends[-1] - ends[WARM]) / (len(ends) - 1 - WARM)
    return [
        Row(f"{name}: network alone, one by one", 1000 * alone, "ms"),
        Row(f"{name}: in a batch", 1000 * each, "ms", 1000 * alone, 1 / SHARE),
    ]


def timed(work: Any) -> float:
    """Seconds of one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def make_pictures(folder: Path, size: tuple[int, int]) -> None:
    """Smooth pictures with a little noise, as PNG."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(PICTURES):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
        smooth = np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC), np.int16)
        noisy = smooth + rng.integers(-3, 4, smooth.shape)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number:04}.png")


def run(source: Path, target: Path) -> list[float]:
    """The moment at which each picture was done, in seconds."""
    ends: list[float] = []
    assert deblurred(source, target, lambda *_: ends.append(time.perf_counter())) == 0
    return ends


def deblurred(source: Path, target: Path, note: Callable[[dict[str, Any], int], object]) -> int:
    """Run the command with --json; its exit code.

    Args:
        source: A folder of pictures.
        target: The folder of the results.
        note: Called with each picture's record as it comes, and the number of the process.
    """
    command = [sys.executable, "-m", "serpent_cli", "deblur", str(source),
               "-o", str(target), "--json"]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        for record in map(json.loads, process.stdout):
            if "summary" not in record:
                note(record, process.pid)
    return process.returncode
