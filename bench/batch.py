"""Whole batches by the real command: broken files, flat memory, and reading and writing hidden.

python -m bench batch
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from bench.timing import Row
from serpent_cli.restoration.restorer import Restorer

MANY, SMALL = 2000, (48, 64)  # pictures, rows and columns
BROKEN = 20
WARM = 200  # pictures after which memory must stay where it is
GROWTH = 50  # units of 10^6 bytes
THROUGHPUT = 500
MIDDLE, THUMBNAIL = (256, 256), (64, 64)  # one by one, and eight at a time
SHARE = 0.9


def rows() -> list[Row]:
    """2000 small pictures of which 20 are broken, then the speed of 500 whole ones."""
    with tempfile.TemporaryDirectory() as folder:
        speed = [row for size in (MIDDLE, THUMBNAIL) for row in speed_rows(Path(folder), size)]
        threads = Row("threads", torch.get_num_threads(), "")
        return [*broken_rows(Path(folder)), *speed, threads]


def broken_rows(folder: Path) -> list[Row]:
    """How a batch with broken files ends."""
    source, target = folder / "many", folder / "many-out"
    make_pictures(source, MANY, SMALL)
    damaged = damage(source)
    records, code, resident = run(source, target)
    failed = {Path(each["input"]).name: each["error"] for each in records if "error" in each}
    good = {path.name for path in source.glob("*.png")} - damaged
    named = sum(name in failed and name in failed[name] for name in damaged)
    growth = (max(resident[WARM:]) - resident[WARM]) / 1e6
    return [
        Row("broken pictures named with a reason, missing", BROKEN - named, "", bar=0),
        Row(
            "good pictures not done", len(good - {p.name for p in target.glob("*.png")}), "", bar=0
        ),
        Row("good pictures called broken", len(set(failed) - damaged), "", bar=0),
        Row("exit code, distance from 1", abs(code - 1), "", bar=0),
        Row(f"memory gained after {WARM} pictures", growth, "MB", GROWTH, 1.0),
    ]


def speed_rows(folder: Path, size: tuple[int, int]) -> list[Row]:
    """Time of a batch against the time of the network alone on the same pictures."""
    name = f"{size[0]} x {size[1]}"
    source, target = folder / name, folder / f"{name}-out"
    make_pictures(source, THROUGHPUT, size)
    forward = Restorer.from_pretrained("deblur", device="cpu").forward
    tile = np.random.default_rng(0).random((*size, 3), np.float32)
    alone = min(timed(lambda: [forward(tile) for _ in range(10)]) for _ in range(5)) / 10
    records, code, _ = run(source, target)
    assert code == 0
    ends = [each["at"] for each in records]
    each = (ends[-1] - ends[WARM // 4]) / (len(ends) - 1 - WARM // 4)
    return [
        Row(f"{name}: network alone, one by one", 1000 * alone, "ms"),
        Row(f"{name}: in a batch", 1000 * each, "ms", 1000 * alone, 1 / SHARE),
    ]


def timed(work: Any) -> float:
    """Seconds of one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def make_pictures(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Smooth pictures with a little noise, as PNG."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
        smooth = np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC), np.int16)
        noisy = smooth + rng.integers(-3, 4, smooth.shape)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number:04}.png")


def damage(folder: Path) -> set[str]:
    """Break pictures in ten ways, two of each; returns their names."""
    chosen = random.Random(0).sample(sorted(folder.glob("*.png")), BROKEN)
    for number, path in enumerate(chosen):
        whole = path.read_bytes()
        middle = len(whole) // 2
        ways = [
            b"", whole[:8], whole[:40], whole[:middle], whole[:-20], b"\0" * len(whole),
            b"GIF89a" + whole[6:], whole[:16] + b"\xff" * 8 + whole[24:],
            whole[:middle] + b"\0" * 64 + whole[middle + 64 :], b"no picture, but a sentence",
        ]  # fmt: skip
        path.write_bytes(ways[number % len(ways)])
    return {path.name for path in chosen}


def run(source: Path, target: Path) -> tuple[list[dict[str, Any]], int, list[int]]:
    """The command with --json: its records with the moment of each, exit code, resident bytes."""
    command = [sys.executable, "-m", "serpent_cli.cli.app", "deblur", str(source),
               "-o", str(target), "--json"]  # fmt: skip
    records: list[dict[str, Any]] = []
    resident: list[int] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        for record in map(json.loads, process.stdout):
            if "summary" not in record:
                records.append({**record, "at": time.perf_counter()})
                resident += resident_bytes(process.pid)
    return records, process.returncode, resident


def resident_bytes(process: int) -> Iterator[int]:
    """What a process holds in memory now, where the system tells."""
    status = Path(f"/proc/{process}/status")
    if status.exists():
        lines = status.read_text().splitlines()
        yield from (int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
