"""A whole batch by the real command: broken files among good ones, and memory that stays flat."""

import argparse
import random
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from bench.batch import deblurred
from tests.endurance import pictures
from tests.endurance.report import Check
from tests.endurance.workers import resident

SIZE = (48, 64)  # rows and columns
BROKEN = 20
GROWTH = 50  # units of 10^6 bytes


def add_options(parser: argparse.ArgumentParser) -> None:
    """What this driver may be told."""
    parser.add_argument("--count", type=int, default=2000, help="pictures (%(default)s)")
    parser.add_argument(
        "--warm", type=int, default=200, help="pictures after which memory must stay (%(default)s)"
    )


def checks(given: argparse.Namespace) -> list[Check]:
    """How a batch of small pictures ends, of which 20 are broken."""
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "in", Path(name) / "out"
        make_pictures(source, given.count)
        damaged = damage(source)
        records, code, bytes_held = run(source, target)
        good = {path.name for path in source.glob("*.png")} - damaged
        done = {path.name for path in target.glob("*.png")}
    failed = {Path(each["input"]).name: each["error"] for each in records if "error" in each}
    named = sum(name in failed and name in failed[name] for name in damaged)
    growth = (max(bytes_held[given.warm :]) - bytes_held[given.warm]) / 1e6
    return [
        Check("broken pictures named with a reason, missing", BROKEN - named, most=0),
        Check("good pictures not done", len(good - done), most=0),
        Check("good pictures called broken", len(set(failed) - damaged), most=0),
        Check("exit code, distance from 1", abs(code - 1), most=0),
        Check(f"memory gained after {given.warm} pictures", growth, "MB", GROWTH),
    ]


def make_pictures(folder: Path, count: int) -> None:
    """Smooth pictures with a little noise, as PNG."""
    folder.mkdir()
    for number in range(count):
        colours = (255 * pictures.smooth(*SIZE, seed=number)[..., :3]).astype("uint8")
        Image.fromarray(colours).save(folder / f"{number:04}.png")


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
    """The command's records, its exit code, and its resident bytes at each record."""
    records: list[dict[str, Any]] = []
    held: list[int] = []

    def note(record: dict[str, Any], process: int) -> None:
        records.append(record)
        held.append(resident(peak=False, process=str(process)))

    code = deblurred(source, target, note)
    return records, code, held
