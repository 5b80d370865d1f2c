"""What must hold over thousands of files, kills and changes: python -m tests.endurance CASE.

Each prints one table; the exit code is 1 if anything in it is not right. Cases are:

  batch         2000 pictures by the command, some of them broken, in memory that stays flat
  corpora       any pictures, read by us and by others: --folder DIR
  fuzz          20 000 damaged pictures, read or refused with one clear sentence
  kills         one batch killed 200 times ends as if nothing had happened
  same_bits     pictures of every kind restored: --out FILE now, --against FILE after a change
  weights_fuzz  5000 damaged files of weights, loaded or refused with one clear sentence

`python -m tests.endurance CASE --help` shows a case's options.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path

from tests.endurance.report import table

CASES = ("batch", "corpora", "fuzz", "kills", "same_bits", "weights_fuzz")


def main(words: list[str] | None = None) -> int:
    """Run one case; 0 if all of it is right, 2 if there is no such case."""
    words = sys.argv[1:] if words is None else words
    if not words or words[0] not in CASES:
        print(__doc__)
        return 0 if words in (["--help"], ["-h"]) else 2
    # One case at a time: a worker that reads damaged pictures starts without torch.
    case = importlib.import_module(f"tests.endurance.{words[0]}")
    parser = argparse.ArgumentParser(
        prog=f"python -m tests.endurance {words[0]}",
        description=case.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    case.add_options(parser)
    parser.add_argument("--json", type=Path, help="also write the table as JSON")
    given = parser.parse_args(words[1:])
    checks = case.checks(given)
    if not checks:
        return 0
    print(table(checks))
    if given.json:
        record = [{**vars(each), "right": each.right} for each in checks]
        given.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return int(not all(each.right for each in checks))


if __name__ == "__main__":
    sys.exit(main())
