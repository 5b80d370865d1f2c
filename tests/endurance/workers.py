"""Numbered files through a reader, in workers of their own: a crash is one file and not the end."""

import argparse
import contextlib
import faulthandler
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.endurance.report import Check

DRIVER = ("-m", "tests.endurance")
WAITING = 5  # times as long by the clock: on a busy machine a file waits for its turn
READ, REFUSED = GOOD = ("read", "refused")
SHOWN = 20  # defects that have a line of the table


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes:
        index: Its number.
        name: The sound file that it was made of, or what was done to it.
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


@dataclass(frozen=True)
class Search:
    """A search for defects: which files, and what must become of them.

    Attributes:
        options: Words by which a worker searches alike: the case and its options.
        make: Name and content of the file of a number; the same number gives the same file.
        judge: Verdict and detail of a file, whose name is given too.
        read: Reads one, and raises what there is to raise.
        kind_of: Under which title a name is counted.
        seconds: Most work that a file may take.
        memory: Most bytes that it may take.
        address_space: Bytes that a worker may map beyond the start, touched or not.
        suffix: Of the files, where their names have none.
        prepare: Called in a worker's folder before the first file.
    """

    options: Sequence[str]
    make: Callable[[int], tuple[str, bytes]]
    judge: Callable[[Path, str], tuple[str, str]]
    read: Callable[[Path], object]
    kind_of: Callable[[str], str]
    seconds: float
    memory: int
    address_space: int
    suffix: str = ""
    prepare: Callable[[Path], object] = lambda folder: None


def add_options(parser: argparse.ArgumentParser, count: int) -> None:
    """What every search may be told; `count` files by default."""
    parser.add_argument("--count", type=int, default=count, help="files (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all files (%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="at once (%(default)s)")
    parser.add_argument("--show", type=int, metavar="N", help="write file N here, and read it")
    parser.add_argument("--worker", type=int, nargs=3, help=argparse.SUPPRESS)


def hunted(search: Search, given: argparse.Namespace) -> list[Outcome]:
    """What becomes of the files that were asked for; defects are printed as they are found.

    Empty where this process is a worker itself, or shows one file.
    """
    if given.worker:
        _work(search, range(*given.worker))
        return []
    if given.show is not None:
        _show(search, given.show)
        return []
    return _run(search, given.count, given.workers)


def _run(search: Search, count: int, workers: int) -> list[Outcome]:
    def share(first: int) -> list[Outcome]:
        found: list[Outcome] = []
        for outcome in _outcomes(search, range(first, count, workers)):
            found.append(outcome)
            if outcome.verdict not in GOOD:
                print(json.dumps(vars(outcome)), flush=True)
        return found

    with ThreadPoolExecutor(workers) as pool:
        return [outcome for part in pool.map(share, range(workers)) for outcome in part]


def _outcomes(search: Search, indices: range) -> Iterator[Outcome]:
    """Let workers read; one that dies is a defect of the file it had, and another goes on."""
    while indices:
        numbers = [str(each) for each in (indices.start, indices.stop, indices.step)]
        with tempfile.TemporaryFile("w+") as errors:
            worker = subprocess.Popen(
                [sys.executable, *DRIVER, *search.options, "--worker", *numbers],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
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
            name = search.make(indices.start)[0]
            detail = f"exit {code}; {said[:1500]}"
            yield Outcome(indices.start, name, verdict, detail=detail)
            indices = indices[1:]
        elif said:
            yield Outcome(-1, "", "said on stderr", detail=said[:300])


def _work(search: Search, indices: range) -> None:
    """Read the files of some numbers, one line of JSON for each."""
    with tempfile.TemporaryDirectory() as folder:
        search.prepare(Path(folder))
        with contextlib.suppress(ImportError, ValueError, OSError):
            import resource

            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            _, hard = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (used + search.address_space, hard))
        for index in indices:
            print(json.dumps(vars(_attempt(search, index, Path(folder)))), flush=True)


def _attempt(search: Search, index: int, folder: Path) -> Outcome:
    """Read one file in this process."""
    name, data = search.make(index)
    path = folder / f"{index}-{name}{search.suffix}"
    path.write_bytes(data)
    before, begun = resident(peak=False), time.process_time()
    faulthandler.dump_traceback_later(WAITING * search.seconds, exit=True)
    try:
        verdict, detail = search.judge(path, name)
    finally:
        faulthandler.cancel_dump_traceback_later()
        path.unlink()
    seconds, growth = time.process_time() - begun, resident(peak=True) - before
    if verdict in GOOD and growth > search.memory:
        verdict, detail = "memory", f"{growth / 2**20:.0f} MiB"
    if verdict in GOOD and seconds > search.seconds:
        verdict, detail = "slow", f"{seconds:.1f} s"
    return Outcome(index, name, verdict, seconds, growth, detail)


def _show(search: Search, index: int) -> None:
    name, data = search.make(index)
    path = Path(f"{index}-{name}{search.suffix}")
    path.write_bytes(data)
    print(f"{path}: {len(data)} bytes")
    search.prepare(Path())
    print(*search.judge(path, name))
    search.read(path)


def resident(*, peak: bool, process: str = "self") -> int:
    """Resident bytes of a process, or its most since the last call without `peak` (Linux)."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return 0
    if not peak and process == "self":
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    word = "VmHWM:" if peak else "VmRSS:"
    lines = [line for line in status.read_text().splitlines() if line.startswith(word)]
    return int(lines[0].split()[1]) * 1024 if lines else 0


def summed_up(search: Search, found: Sequence[Outcome]) -> list[Check]:
    """A check for each kind of file, for time and memory, and for the first defects."""
    tally = Counter((search.kind_of(each.name), each.verdict) for each in found)
    table: list[Check] = []
    for kind in sorted({kind for kind, _ in tally if kind}):
        read, refused = (tally[kind, verdict] for verdict in GOOD)
        others = sum(n for (name, _), n in tally.items() if name == kind) - read - refused
        table.append(Check(f"{kind}: {read} read, {refused} refused, others", others, most=0))
    crashes = sum(each.verdict in ("crash", "hang") for each in found)
    longest = max((each.seconds for each in found), default=0.0)
    largest = max((each.growth for each in found), default=0)
    table += [
        *(Check(verdict, sum(each.verdict == verdict for each in found)) for verdict in GOOD),
        Check("crashes and hangs", crashes, most=0),
        Check("longest", longest, "s", search.seconds),
        Check("most memory", largest / 2**20, "MiB", search.memory / 2**20),
    ]
    defects = [each for each in found if each.verdict not in GOOD]
    table.append(Check("defects", len(defects), most=0))
    for each in defects[:SHOWN]:
        title = f"{each.index} {each.name} {each.verdict}: {each.detail}"
        table.append(Check(title.replace("\n", " ")[:200], 1, most=0))
    return table
