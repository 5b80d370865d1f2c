"""Damaged and hostile weights through `load_model`: python -m bench weights_fuzz --count 5000.

Every file must be loaded, where nothing that matters is wrong with it, or refused with one clear
sentence that names it and a way out; within 5 seconds of work, and with at most 64 MiB more memory
than before. A worker does the loading, so that a crash is one file and not the end. File N of a
seed is always the same: `python -m bench.weights_fuzz --show N` writes it.
"""

import argparse
import contextlib
import faulthandler
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from bench.fuzz import GOOD, WAITING, Outcome, outcomes
from bench.weights_fuzz_lies import HARMLESS, mutated
from bench.weights_fuzz_seeds import sound
from serpent_cli.errors import SerpentError
from serpent_cli.zoo.load import load_model

if TYPE_CHECKING:
    from bench.timing import Row

SECONDS, BUDGET = 5, 64 * 2**20
HARD_LIMIT = 2 * 2**30  # of address space beyond the start: what is never touched counts too
SEED = 1
LOADED, REFUSED = GOOD
WORKER = ("-m", "bench.weights_fuzz")


def attempt(index: int, seed: int, path: Path) -> Outcome:
    """Load one damaged file in this process."""
    way, data = mutated(seed, index)
    path.write_bytes(data)
    before, begun = _resident(peak=False), time.process_time()
    faulthandler.dump_traceback_later(WAITING * SECONDS, exit=True)
    try:
        verdict, detail = _verdict(path, way)
    finally:
        faulthandler.cancel_dump_traceback_later()
    seconds, growth = time.process_time() - begun, _resident(peak=True) - before
    if verdict in GOOD and growth > BUDGET:
        verdict, detail = "memory", f"{growth / 2**20:.0f} MiB"
    if verdict in GOOD and seconds > SECONDS:
        verdict, detail = "slow", f"{seconds:.1f} s"
    return Outcome(index, way, verdict, seconds, growth, detail)


def _verdict(path: Path, way: str) -> tuple[str, str]:
    try:
        load_model(str(path), torch.device("cpu"))
    except SerpentError as error:
        text = f"{error.message} | {error.hint}"
        if not error.message or not error.hint:
            return "no hint", text
        sentence = error.message.isprintable() and len(error.message) < 500
        if str(path) not in error.message or not sentence:
            return "no clear sentence", ascii(text)[:500]
        return REFUSED, error.message.replace(str(path), "FILE")
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is a finding)
        return type(error).__name__, str(error)[:300]
    return (LOADED, "") if way in HARMLESS else ("loaded, and must not be", "")


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


def _work(seed: int, indices: range) -> None:
    """Load the files of some numbers, one line of JSON for each."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hostile.safetensors"
        path.write_bytes(sound())
        load_model(str(path), torch.device("cpu"))  # what torch itself takes is no file's growth
        with contextlib.suppress(ImportError, ValueError, OSError):
            import resource

            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            _, hard = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (used + HARD_LIMIT, hard))
        for index in indices:
            print(json.dumps(vars(attempt(index, seed, path))), flush=True)


def run(count: int, seed: int = SEED) -> list[Outcome]:
    """Load `count` damaged files."""
    command = [sys.executable, *WORKER, "--seed", str(seed)]
    return list(outcomes(command, range(count), lambda index: mutated(seed, index)[0]))


def rows(count: int, seed: int = SEED) -> "list[Row]":
    """A row for each kind of damage, for time and memory, and for each defect."""
    from bench.timing import Row

    found = run(count, seed)
    tally = Counter((each.name, each.verdict) for each in found)
    table: list[Row] = []
    for way in sorted({way for way, _ in tally if way}):
        loaded, refused = (tally[way, verdict] for verdict in GOOD)
        others = sum(n for (name, _), n in tally.items() if name == way) - loaded - refused
        title = f"{way}: {loaded} loaded, {refused} refused with a sentence, others"
        table.append(Row(title, others, "files", bar=0))
    crashes = sum(each.verdict in ("crash", "hang") for each in found)
    table.append(Row("crashes and hangs", crashes, "files", bar=0))
    longest = max((each.seconds for each in found), default=0.0)
    largest = max((each.growth for each in found), default=0)
    table.append(Row("longest", longest, "s", SECONDS, 1))
    table.append(Row("largest growth of memory", largest / 2**20, "MiB", BUDGET / 2**20, 1))
    defects = [each for each in found if each.verdict not in GOOD]
    for each in defects[:20]:
        table.append(Row(f"{each.index} {each.name} {each.verdict}: {each.detail}", 1, "", bar=0))
    return table


def main() -> int:
    """Load files and print the defects as lines of JSON; 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m bench.weights_fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--show", type=int, metavar="N", help="write file N here, and load it")
    parser.add_argument("--reasons", action="store_true", help="print why files were refused")
    parser.add_argument("--worker", type=int, nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        _work(given.seed, range(*given.worker))
        return 0
    if given.show is not None:
        path = Path(f"{given.show}.safetensors")
        path.write_bytes(mutated(given.seed, given.show)[1])
        load_model(f"./{path}", torch.device("cpu"))
        return 0
    found = run(given.count, given.seed)
    defects = [each for each in found if each.verdict not in GOOD]
    for each in defects:
        print(json.dumps(vars(each)))
    if given.reasons:
        for way, reason in sorted({(each.name, each.detail) for each in found if each.detail}):
            print(f"{way}: {reason}")
    print(json.dumps(Counter(each.verdict for each in found)), end=" ")
    print(f"longest {max(each.seconds for each in found):.2f} s", end=", ")
    print(f"largest growth {max(each.growth for each in found) / 2**20:.0f} MiB")
    return int(bool(defects))


if __name__ == "__main__":
    sys.exit(main())
