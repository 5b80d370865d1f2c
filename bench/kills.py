"""One batch killed again and again: does it end as if nothing had happened?

Every run is the real command in a process of its own, ended by SIGKILL at a random moment and begun
again, until the batch is done and the kills are used up; a watcher decodes whatever is visible all
the while. Processes are forked, so that each begins with its modules loaded.
"""

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from bench.timing import Row

PICTURES = 40
SIZE = (64, 96)
LONGEST = 1.5  # seconds until a kill


def rows(kills: int) -> list[Row]:
    """Kill one batch so many times, and compare its results with an undisturbed run's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pictures(folder / "in")
        calm, shaken = folder / "calm", folder / "shaken"
        assert wait(begin(folder / "in", calm)) == 0
        watcher = forked(lambda: watch(shaken, folder / "torn"))
        killed = kill_again_and_again(folder / "in", shaken, kills)
        code = wait(begin(folder / "in", shaken))
        os.kill(watcher, signal.SIGTERM)
        os.waitpid(watcher, 0)
        torn = (folder / "torn").read_text().splitlines()
        return [
            Row("runs killed", killed, ""),
            Row("exit code of the last run", code, "", bar=0),
            Row(
                "results that differ from an undisturbed run's", differing(calm, shaken), "", bar=0
            ),
            Row("temporary files left", len(list(shaken.rglob("*.part"))), "", bar=0),
            Row("visible files that were ever torn", len(torn), "", bar=0),
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
        process = begin(source, target)
        time.sleep(moments.uniform(0, LONGEST))
        os.kill(process, signal.SIGKILL)
        if wait(process) == -signal.SIGKILL:
            killed += 1
        else:  # it was done before: there must be work for the next
            for path in moments.sample(sorted(target.glob("*.png")), PICTURES // 2):
                path.unlink()
    return killed


def begin(source: Path, target: Path) -> int:
    """Fork the command; returns its process."""
    from serpent_cli.cli.app import main

    command = ["deblur", str(source), "-o", str(target), "-q", "--threads", "1"]
    return forked(lambda: main(command))


def forked(work: Callable[[], object]) -> int:
    """Run a function in a process of its own, which ends with it."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        work()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        os._exit(code)


def wait(process: int) -> int:
    """Its exit code; negative: the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


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
