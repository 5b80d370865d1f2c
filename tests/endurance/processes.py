"""The real command in processes that are forked, so that each begins with its modules loaded."""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

# What `deblur` and `upscale` import when they begin.
_LOADED = (
    "serpent_cli.cli.app", "serpent_cli.batch.runner", "serpent_cli.restoration.streamed",
    "serpent_cli.api", "PIL.Image", "tifffile", "imagecodecs",
)  # fmt: skip


def begin(command: Sequence[str], folder: Path | None = None, said: Path | None = None) -> int:
    """Fork the command; returns its process.

    Args:
        command: Its words, without `serpent`.
        folder: Where it is run.
        said: A file for what it prints; without, it prints where this process does.
    """
    for name in _LOADED:
        importlib.import_module(name)
    from serpent_cli.cli.app import main

    def work() -> None:
        if folder is not None:
            os.chdir(folder)
        if said is not None:
            _print_to(said)
        main(list(command))

    return forked(work)


def _print_to(path: Path) -> None:
    """Send standard output and standard error to a file, each line at once."""
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (sys.__stdout__, sys.__stderr__):
        stream.flush()
        os.dup2(target, stream.fileno())
        stream.reconfigure(line_buffering=True)


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
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(process: int) -> int:
    """Its exit code; negative: the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
