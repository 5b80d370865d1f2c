"""Cases against their limits: python -m bench CASE.

Each prints one table, and writes it as JSON with --json; the exit code is 1 if a bar is missed or
a result is wrong. Limits are measured in the same run as what they limit. On a CPU times are minima
over several runs, on a GPU (--device cuda: cross_scan, restore) medians of events.
"""

import argparse
import importlib.metadata
import json
import platform
import sys
from pathlib import Path

import torch

from bench import (
    ablation,
    batch,
    cross_scan,
    cubes,
    device_scan,
    edges,
    gigapixel,
    memory,
    mixers,
    network,
    peers,
    precision,
    restore,
    scales,
    serve,
    teacher,
    tiles,
    train,
)
from bench.timing import Row, table
from serpent_cli.errors import SerpentError, UsageError
from serpent_cli.restoration.device import choose_device

HERE = {
    "batch": batch.rows,
    "cross_scan": cross_scan.rows,
    "cubes": cubes.rows,
    "mixers": mixers.rows,
    "network": network.rows,
    "memory": memory.rows,
    "peers": peers.rows,
    "precision": precision.rows,
    "train": train.rows,
}
PHOTOS = {
    "ablation": lambda given, device: ablation.rows(
        given.photos, given.minutes, device, given.mixers
    ),
    "edges": lambda given, device: edges.rows(given.photos),
    "scales": lambda given, device: scales.rows(given.photos),
    "teacher": lambda given, device: teacher.rows(given.photos, device),
    "tiles": lambda given, device: tiles.rows(given.photos, device),
}
OWN = {  # with options of their own
    "gigapixel": lambda given: gigapixel.rows(given.network, given.rows),
    "serve": lambda given: serve.rows(given.count),
}
ANYWHERE = {"cross_scan": device_scan.rows, "restore": restore.rows}


def main() -> int:
    """Run one case; 0 if all its bars are met."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("case", choices=sorted({*HERE, *ANYWHERE, *PHOTOS, *OWN}))
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1")
    parser.add_argument("--tiny", action="store_true", help="only show that a GPU's cases run")
    parser.add_argument("--count", type=int, default=100, help="requests of serve")
    parser.add_argument(
        "--photos", type=Path, help="sharp photographs: ablation, edges, scales, teacher, tiles"
    )
    parser.add_argument("--minutes", type=float, default=6.0, help="for each network of ablation")
    parser.add_argument(
        "--mixers", choices=("time", "gmac"), help="ablation of all mixers, at what is equal"
    )
    parser.add_argument("--network", choices=("real", "tiny"), default="real", help="of gigapixel")
    parser.add_argument("--rows", type=int, default=10_000, help="most input rows of gigapixel")
    parser.add_argument("--json", type=Path, help="also write the rows as JSON")
    arguments = parser.parse_args()
    try:
        device = choose_device(arguments.device)
        # Events and kernels of our own go to the current device.
        with torch.accelerator.device_index(device.index):
            rows = measured(arguments, device)
    except SerpentError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return error.exit_code
    print(surroundings(device)["device"])
    print(table(rows))
    if arguments.json:
        record = {**surroundings(device), "rows": [vars(row) for row in rows]}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return int(any(row.met is False for row in rows))


def measured(arguments: argparse.Namespace, device: torch.device) -> list[Row]:
    """The rows of a case; a CPU has cases of its own where both have one."""
    case, tiny = arguments.case, arguments.tiny
    if case in OWN:
        return OWN[case](arguments)
    if case in PHOTOS:
        if arguments.photos is None:
            raise UsageError(f"{case} needs --photos, a folder of sharp photographs")
        return PHOTOS[case](arguments, device)
    if case in ANYWHERE and (tiny or device.type != "cpu" or case not in HERE):
        return ANYWHERE[case](device, tiny=tiny)
    return HERE[case]()


def cpu_name() -> str:
    """What the CPU calls itself, and how many threads torch takes of it."""
    name, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        name = names[0] if names else name
    known = getattr(torch.cpu, "get_capabilities", dict)()
    sets = [each for each in ("avx2", "avx512_f", "avx512_bf16", "amx_bf16") if known.get(each)]
    return f"{name} ({' '.join(sets)}), {torch.get_num_threads()} threads"


def surroundings(device: torch.device) -> dict[str, str]:
    """Device and versions."""
    cuda = device.type == "cuda"
    packages = {"triton", "mamba-ssm"} & {d.name for d in importlib.metadata.distributions()}
    return {
        "device": torch.cuda.get_device_name(device) if cuda else cpu_name(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": str(torch.version.cuda),
        **{name: importlib.metadata.version(name) for name in sorted(packages)},
    }


if __name__ == "__main__":
    sys.exit(main())
