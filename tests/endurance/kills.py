"""One batch killed again and again: does it end as if nothing had happened?

Every run is the real command in a process of its own, ended by SIGKILL at a random moment and begun
again, until the batch is done and the kills are used up; a watcher decodes whatever is visible all
the while. Processes are forked, so that each begins with its modules loaded.
"""

import argparse
import os
import random
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from tests.endurance.processes import begin, forked, wait
from tests.endurance.report import Check

PICTURES = 40
SIZE = (64, 96)
LONGEST = 1.5  # seconds until a kill


def add_options(parser: argparse.ArgumentParser) -> None:
    """What this driver may be told."""
    parser.add_argument("--kills", type=int, default=200, help="of the batch (%(default)s)")


def checks(given: argparse.Namespace) -> list[Check]:
    """Kill one batch so many times, and compare its results with an undisturbed run's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pictures(folder / "in")
        calm, shaken = folder / "calm", folder / "shaken"
        assert wait(begun(folder / "in", calm)) == 0
        watcher = forked(lambda: watch(shaken, folder / "torn"))
        killed = kill_again_and_again(folder / "in", shaken, given.kills)
        code = wait(begun(folder / "in", shaken))
        os.kill(watcher, signal.SIGTERM)
        os.waitpid(watcher, 0)
        torn = (folder / "torn").read_text().splitlines()
        return [
            Check("runs killed", killed),
            Check("exit code of the last run", code, most=0),
            Check("results that differ from an undisturbed run's", differing(calm, shaken), most=0),
            Check("temporary files left", len(list(shaken.rglob("*.part"))), most=0),
            Check("visible files that were ever torn", len(torn), most=0),
        ]


def make_pictures(folder: Path) -> None:
    """Small smooth pictures, each another."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(PICTURES):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 12, 3), np.uint8))
        coarse.resize(SIZE[::-1], Image.Resampling.BICUBIC).save(folder / f"{number:03}.png")


def kill_again_and_again(source: Path, target: Path, kills: int) -> int:
    """Begin the batch anew after each kill; whenever it is done, some results are removed."""
    moments = random.Random(0)
    killed = 0
    while killed < kills:
        process = begun(source, target)
        time.sleep(moments.uniform(0, LONGEST))
        os.kill(process, signal.SIGKILL)
        if wait(process) == -signal.SIGKILL:
            killed += 1
        else:  # it was done before: there must be work for the next
            for path in moments.sample(sorted(target.glob("*.png")), PICTURES // 2):
                path.unlink()
    return killed


def begun(source: Path, target: Path) -> int:
    """Fork the command; returns its process."""
    return begin(["deblur", str(source), "-o", str(target), "-q", "--threads", "1"])


def watch(folder: Path, report: Path) -> None:
    """Decode all visible results over and over; names of those that cannot be, to a report."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    with report.open("w") as lines:
        while not stopped:
            for path in sorted(folder.glob("*.png")):
                try:
                    with Image.open(path) as image:
                        image.load()
                except FileNotFoundError:
                    pass
                except (OSError, UnidentifiedImageError, SyntaxError) as error:
                    lines.write(f"{path.name}: {error}\n")
            time.sleep(0.02)


def differing(calm: Path, shaken: Path) -> int:
    """Files that are not byte for byte the same in both folders."""
    names = {path.name for folder in (calm, shaken) for path in folder.glob("*.png")}
    assert len(names) == PICTURES
    paths = [(calm / name, shaken / name) for name in names]
    return sum(not b.exists() or a.read_bytes() != b.read_bytes() for a, b in paths)
