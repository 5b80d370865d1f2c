"""A program on a pseudo-terminal; every screen that it shows is kept."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyte

COMMAND = (sys.executable, "-m", "serpent_cli")
ROWS = 24


@dataclass
class Session:
    """What was seen.

    Attributes:
        code: Exit code.
        screens: Each as its lines without what is blank at the end, in order, with the seconds
            since the start.
        out: What went to standard output, where that was not the terminal.
    """

    code: int = 0
    screens: list[tuple[float, list[str]]] = field(default_factory=list)
    out: bytes = b""

    @property
    def last(self) -> list[str]:
        return self.screens[-1][1]

    def lines(self) -> list[str]:
        """Every line of every screen."""
        return [line for _, lines in self.screens for line in lines]

    def first(self, words: str) -> float:
        """When these words were first on the screen, in seconds."""
        return next(when for when, lines in self.screens if any(words in line for line in lines))


def watch(
    arguments: Sequence[str | Path],
    columns: int,
    *,
    folder: Path,
    apart: Path | None = None,
    act: Callable[[subprocess.Popen[bytes], list[str]], None] = lambda process, lines: None,
    timeout: float = 240,
) -> Session:
    """Run serpent on a terminal so wide.

    Args:
        arguments: Of serpent.
        columns: Of the terminal.
        folder: The working folder, so that names are short.
        apart: Standard output goes to this file; None: to the terminal too.
        act: Called with the process and each new screen.
        timeout: Seconds after which it has failed.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    screen = pyte.Screen(columns, ROWS)
    stream = pyte.ByteStream(screen)
    environment = {
        name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")
    }
    session, begun = Session(), time.monotonic()
    with open(apart or os.devnull, "wb") as out:
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=slave, stdout=out if apart else slave, stderr=slave,
            cwd=folder, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            env=environment | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"},
        )  # fmt: skip
    os.close(slave)
    try:
        while time.monotonic() - begun < timeout:
            if not select.select([master], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(master, 65536)
            except OSError:  # Linux: the last one has closed it
                break
            if not data:
                break
            stream.feed(data)
            lines = [line.rstrip() for line in screen.display]
            while lines and not lines[-1]:
                lines.pop()
            if lines and (not session.screens or session.last != lines):
                session.screens.append((time.monotonic() - begun, lines))
                act(process, lines)
        session.code = process.wait(timeout=10)
    finally:
        process.kill()
        os.close(master)
    session.out = apart.read_bytes() if apart else b""
    return session
