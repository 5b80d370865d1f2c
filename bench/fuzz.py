"""Damaged pictures through `read`: python -m bench fuzz --count 20000.

Every file must be read, or refused with one clear sentence that names it and a way out, alike whole
and by bands; in at most 5 seconds of work and with at most 256 MiB more memory than before, for
pictures of at most 4 megapixels. Workers of their own do the reading: a crash is one file and not
the end. File N of a seed is always the same: `python -m bench.fuzz --show N` writes it.
"""

import argparse
import contextlib
import faulthandler
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.fuzz_seeds import mutated
from serpent_cli.errors import PictureError
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import open_bands, read_picture, read_size

if TYPE_CHECKING:
    from bench.timing import Row

SECONDS, BUDGET, MAX_PIXELS = 5, 256 * 2**20, 4_000_000
WAITING = 5  # times as long by the clock: on a busy machine a file waits for its turn
HARD_LIMIT = 3 * 2**30  # of address space beyond the start: what is never touched counts too
SEED, BAND = 1, 16
GOOD = ("read", "refused")
WORKER = ("-m", "bench.fuzz")


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes:
        index: Its number.
        name: The sound file that it was made of.
        verdict: "read" or "refused"; anything else is a defect.
        seconds: Of work, on all cores, that reading it in all ways took.
        growth: Most bytes of memory beyond those before.
        detail: What was raised.
    """

    index: int
    name: str
    verdict: str
    seconds: float = 0.0
    growth: int = 0
    detail: str = ""


def attempt(index: int, seed: int, only: str, folder: Path) -> Outcome:
    """Read one damaged file in this process."""
    name, data = mutated(seed, index, only)
    path = folder / f"{index}-{name}"
    path.write_bytes(data)
    before, begun = _resident(peak=False), time.process_time()
    faulthandler.dump_traceback_later(WAITING * SECONDS, exit=True)
    try:
        verdict, detail = _verdict(path)
    finally:
        faulthandler.cancel_dump_traceback_later()
        path.unlink()
    seconds, growth = time.process_time() - begun, _resident(peak=True) - before
    if verdict in GOOD and growth > BUDGET:
        verdict, detail = "memory", f"{growth / 2**20:.0f} MiB"
    if verdict in GOOD and seconds > SECONDS:
        verdict, detail = "slow", f"{seconds:.1f} s"
    return Outcome(index, name, verdict, seconds, growth, detail)


def _by_bands(path: Path) -> bytes | None:
    """Digest of the samples, read by bands as far as that goes; None where they are refused."""
    digest = hashlib.sha256()
    try:
        with open_bands(path, max_pixels=MAX_PIXELS) as reader:
            height = reader.head.height
            for top in range(0, height, BAND):
                digest.update(_samples(reader.rows(top, min(height, top + BAND))))
            _ = reader.warnings
    except PictureError:
        return None
    return digest.digest()


def _digest(picture: Picture) -> bytes:
    digest = hashlib.sha256()
    for top in range(0, picture.height, BAND):
        rows = slice(top, top + BAND)
        alpha = None if picture.alpha is None else picture.alpha[rows]
        digest.update(_samples(replace(picture, pixels=picture.pixels[rows], alpha=alpha)))
    return digest.digest()


def _samples(picture: Picture) -> bytes:
    alpha = b"" if picture.alpha is None else picture.alpha.tobytes()
    return picture.pixels.tobytes() + alpha


def _verdict(path: Path) -> tuple[str, str]:
    verdict, picture = "refused", None
    for read in (read_size, lambda file: read_picture(file, max_pixels=MAX_PIXELS)):
        try:
            picture = read(path)
        except PictureError as error:
            flaw = _flaw(error, path)
            if flaw:
                return flaw, f"{error.message} | {error.hint}"
            verdict, picture = "refused", None
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is a finding)
            return type(error).__name__, str(error)[:300]
        else:
            verdict = "read"
    if verdict == "refused" or isinstance(picture, Picture):
        return _compared(path, verdict, picture)
    return verdict, ""


def _compared(path: Path, verdict: str, picture: Picture | None) -> tuple[str, str]:
    """Read by bands, too: what is refused and what is read must be the same."""
    try:
        found = _by_bands(path)
    except BaseException as error:  # noqa: BLE001
        return type(error).__name__, f"by bands: {error}"[:300]
    if found != (None if picture is None else _digest(picture)):
        return "ways differ", f"whole: {verdict}, by bands: {'read' if found else 'refused'}"
    return verdict, ""


def _flaw(error: PictureError, path: Path) -> str | None:
    if not error.hint or not error.message:
        return "no hint"
    if str(path) not in error.message or "\n" in error.message:
        return "no clear sentence"
    # Nothing of MAX_PIXELS needs as much as a worker may have.
    return "memory" if "not enough memory" in error.message else None


def _resident(*, peak: bool) -> int:
    """Resident bytes of this process, or the most since the last call without `peak` (Linux)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    if not peak:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    word = "VmHWM:" if peak else "VmRSS:"
    line = next(line for line in status.read_text().splitlines() if line.startswith(word))
    return int(line.split()[1]) * 1024


def _work(seed: int, only: str, indices: range) -> None:
    """Read the files of some numbers, one line of JSON for each."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + HARD_LIMIT, hard))
    with tempfile.TemporaryDirectory() as folder:
        for index in indices:
            print(json.dumps(vars(attempt(index, seed, only, Path(folder)))), flush=True)


def outcomes(
    command: Sequence[str], indices: range, name_of: Callable[[int], str]
) -> Iterator[Outcome]:
    """Let workers read; one that dies is a defect of the file it had, and another goes on.

    Args:
        command: Starts a worker, but for its `--worker` START STOP STEP.
        indices: The files.
        name_of: What a file is called.
    """
    while indices:
        numbers = [str(each) for each in (indices.start, indices.stop, indices.step)]
        with tempfile.TemporaryFile("w+") as errors:
            worker = subprocess.Popen(
                [*command, "--worker", *numbers], stdout=subprocess.PIPE, stderr=errors, text=True
            )
            assert worker.stdout
            for line in worker.stdout:
                outcome = Outcome(**json.loads(line))
                yield outcome
                indices = range(outcome.index + indices.step, indices.stop, indices.step)
            code = worker.wait()
            errors.seek(0)
            said = errors.read().strip()
        if indices:
            verdict = "hang" if "Timeout" in said else "crash"
            detail = f"exit {code}; {said[:1500]}"
            yield Outcome(indices.start, name_of(indices.start), verdict, detail=detail)
            indices = indices[1:]
        elif said:
            yield Outcome(-1, "", "said on stderr", detail=said[:300])


def run(count: int, seed: int = SEED, only: str = "", workers: int = 1) -> list[Outcome]:
    """Read `count` damaged files, whose names end in `only`, with some workers at once."""

    def share(first: int) -> list[Outcome]:
        command = [sys.executable, *WORKER, "--seed", str(seed), "--only", only]
        indices = range(first, count, workers)
        return list(outcomes(command, indices, lambda index: mutated(seed, index, only)[0]))

    with ThreadPoolExecutor(workers) as pool:
        return [outcome for part in pool.map(share, range(workers)) for outcome in part]


def rows(count: int, seed: int = SEED) -> "list[Row]":
    """A row for each format, for time and memory, and for each defect."""
    from bench.timing import Row

    found = run(count, seed, workers=min(2, os.cpu_count() or 1))
    tally = Counter((Path(each.name).suffix, each.verdict) for each in found)
    table: list[Row] = []
    for suffix in sorted({suffix for suffix, _ in tally if suffix}):
        read, refused = (tally[suffix, verdict] for verdict in GOOD)
        others = sum(n for (s, _), n in tally.items() if s == suffix) - read - refused
        title = f"{suffix[1:]}: {read} read, {refused} refused, others"
        table.append(Row(title, others, "files", bar=0))
    longest = max((each.seconds for each in found), default=0.0)
    largest = max((each.growth for each in found), default=0)
    table.append(Row("longest read", longest, "s", SECONDS, 1))
    table.append(Row("most memory", largest / 2**20, "MiB", BUDGET / 2**20, 1))
    defects = [each for each in found if each.verdict not in GOOD]
    for each in defects[:20]:
        table.append(Row(f"{each.index} {each.name} {each.verdict}: {each.detail}", 1, "", bar=0))
    return table


def main() -> int:
    """Read files and print the defects as lines of JSON; 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--show", type=int, metavar="N", help="write file N here, and read it")
    parser.add_argument("--only", default="", metavar="SUFFIX", help="one format, such as .tif")
    parser.add_argument("--worker", type=int, nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        _work(given.seed, given.only, range(*given.worker))
        return 0
    if given.show is not None:
        name, data = mutated(given.seed, given.show, given.only)
        Path(f"{given.show}-{name}").write_bytes(data)
        read_picture(f"{given.show}-{name}", max_pixels=MAX_PIXELS)
        return 0
    found = run(given.count, given.seed, given.only)
    defects = [each for each in found if each.verdict not in GOOD]
    for each in defects:
        print(json.dumps(vars(each)))
    tally = Counter(each.verdict for each in found)
    print(f"{dict(tally)}, longest {max(each.seconds for each in found):.2f} s", end=", ")
    print(f"most memory {max(each.growth for each in found) / 2**20:.0f} MiB")
    return int(bool(defects))


if __name__ == "__main__":
    sys.exit(main())
