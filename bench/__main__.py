"""Cases against their limits: python -m bench cross_scan | network | memory | registers.

Each prints one table, and writes it as JSON with --json; the exit code is 1 if a bar is missed.
Timings are minima over several runs; limits are measured in the same run as what they limit.
"""

import argparse
import json
import platform
import sys
from pathlib import Path

import torch

from bench import cross_scan, memory, network, registers
from bench.timing import Row, table

CASES = {
    "cross_scan": cross_scan.rows,
    "network": network.rows,
    "memory": memory.rows,
    "registers": registers.rows,
}


def main() -> int:
    """Run one case; 0 if all its bars are met."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--json", type=Path, help="also write the rows as JSON")
    arguments = parser.parse_args()
    rows: list[Row] = CASES[arguments.case]()
    print(table(rows))
    if arguments.json:
        versions = {"torch": torch.__version__, "python": platform.python_version()}
        record = {**versions, "machine": platform.machine(), "rows": [vars(row) for row in rows]}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return int(any(row.met is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
