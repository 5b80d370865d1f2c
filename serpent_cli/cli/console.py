"""The one voice: results on stdout; warnings and errors on stderr, as progress is by `progress`."""

import codecs
import contextlib
import errno
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from serpent_cli.errors import SerpentError, UsageError, reason_of
from serpent_cli.filenames import json_text, printable


def prepare() -> None:
    """Let stdout take any name of a file: the bytes that it has, whatever they mean.

    Names are bytes, which Python keeps in text as lone surrogates; a strict stream refuses them.
    """
    _open_closed()
    codecs.register_error("serpent-names", _name_bytes)
    with contextlib.suppress(AttributeError):  # a stream that somebody has put in its place
        sys.stdout.reconfigure(errors="serpent-names")  # pyright: ignore[reportAttributeAccessIssue]


def _open_closed() -> None:
    """Open the standard streams that were closed, lest a picture's file gets their number.

    Reading from standard input ends at once, writing to standard output fails, and what would go to
    standard error is lost.
    """
    closed = (
        (0, "stdin", "r", os.O_RDONLY), (1, "stdout", "w", os.O_RDONLY),
        (2, "stderr", "w", os.O_WRONLY),
    )  # fmt: skip
    for number, name, mode, way in closed:
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, way)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _name_bytes(error: UnicodeError) -> tuple[str | bytes, int]:
    """Bytes of a name as they are; characters that the stream has not, as an escape sequence."""
    assert isinstance(error, UnicodeEncodeError)
    first = error.object[error.start]
    if 0xDC80 <= ord(first) <= 0xDCFF:
        return bytes([ord(first) - 0xDC00]), error.start + 1
    return ascii(first)[1:-1], error.start + 1


def result(text: str) -> None:
    """A line of the result, on stdout, at once: whoever reads a pipe need not wait for the end.

    A name of a file goes into a pipe as it is; on a terminal nothing in it steers that.
    """
    try:
        sys.stdout.write((printable(text) if sys.stdout.isatty() else text) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has gone
        raise
    except OSError as failure:
        raise _refused(failure) from failure


@contextmanager
def output() -> Generator[None]:
    """At the end send out what others have written to standard output, such as typer's help.

    Raises:
        SerpentError: It is full.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as failure:
        if (
            failure.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EBADF)
            or failure.filename is not None
        ):
            raise
        raise _refused(failure) from failure


def _refused(failure: OSError) -> SerpentError:
    silence()
    if failure.errno == errno.EBADF:
        return SerpentError("standard output is closed", hint="to hear nothing, write > /dev/null")
    return SerpentError(
        f"cannot write to standard output: {reason_of(failure)}",
        hint="the disk that it goes to may be full",
    )


def silence() -> None:
    """Send the rest of standard output nowhere, so that no late flush complains."""
    with contextlib.suppress(OSError, ValueError):  # it may be no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def json_line(record: dict[str, Any]) -> None:
    r"""One JSON object on one line of stdout; bytes that are no text are escaped as in \udce9."""
    # On a terminal nothing but ASCII: it obeys some of the other characters too.
    encoding = "ascii" if sys.stdout.isatty() else sys.stdout.encoding or "utf-8"
    result(json_text(record, encoding=encoding))


def refuse_terminal() -> None:
    """Keep a picture's bytes off a terminal.

    Raises:
        UsageError: Standard output is one.
    """
    if sys.stdout.isatty():
        raise UsageError(
            "a picture would go to the terminal", hint="redirect it (> out.png), or give -o FILE"
        )


def refuse_typing(what: str) -> None:
    """End rather than wait in silence for what nobody types.

    Args:
        what: What is to be read, and its verb: "a picture does".

    Raises:
        UsageError: Standard input is a terminal.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        raise UsageError(
            f"standard input is the terminal, and {what} not come from there",
            hint="redirect it (< in.png), or put a pipe before it",
        )


def table(rows: Sequence[Sequence[str]]) -> None:
    """Rows of text in aligned columns on stdout; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        result(printable("  ".join(cells).rstrip()))


def facts(rows: Sequence[tuple[str, str]]) -> None:
    """Names and values in two columns on stdout; a stranger's values steer no terminal."""
    for left, right in rows:
        result(printable(f"{left:<12} {right}"))


def note(text: str) -> None:
    """A remark on stderr, in one line."""
    sys.stderr.write(printable(text) + "\n")


def warning(text: str) -> None:
    """Something that could not be kept, on stderr."""
    note(f"warning: {text}")


def error(failure: SerpentError) -> None:
    """What went wrong, and what to do about it, on stderr."""
    note(f"error: {failure.message}")
    if failure.hint:
        note(f"hint: {failure.hint}")
