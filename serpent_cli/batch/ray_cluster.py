"""A Ray cluster to work on: the one there is, or one of this machine alone."""

import importlib.util
import io
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

from serpent_cli.errors import DeviceError
from serpent_cli.settings import RAY_CLUSTER, prepare_ray
from serpent_cli.version import install

PATIENCE = 10.0
"""Seconds in which a cluster must take a connection."""


def require() -> None:
    """See that Ray is installed, without loading it.

    Raises:
        DeviceError: It is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise _missing("ray")


def _missing(name: str) -> DeviceError:
    return DeviceError(
        f"--engine ray needs a package that is not installed: {name}", hint=install("ray")
    )


@contextmanager
def connected() -> Generator[None]:
    """Within, this process is connected to a cluster: its own, RAY_ADDRESS's, or a new local one.

    Raises:
        DeviceError: Ray is not installed, or the cluster cannot be reached.
    """
    prepare_ray()
    _reach(RAY_CLUSTER.get() or "")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise _missing(error.name or str(error)) from error
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    ours = not ray.is_initialized()
    before = signal.getsignal(signal.SIGTERM)
    try:
        if ours:
            with _held_stderr():
                ray.init(log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise DeviceError(
            f"no Ray cluster can be reached: {reason}", hint="check RAY_ADDRESS, or unset it"
        ) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray takes it, and we say 143
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    try:
        with redirect_stdout(_OwnThread(sys.stdout)):
            yield
    finally:
        if ours:
            with redirect_stdout(sys.stderr):  # it lets go of what it has held back
                ray.shutdown()


def _reach(address: str) -> None:
    """See that somebody listens at a cluster's address: Ray itself tries for a quarter of an hour.

    Args:
        address: As RAY_ADDRESS has it; what is no host and port is left to Ray.

    Raises:
        DeviceError: Nobody does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise DeviceError(
            f"no Ray cluster can be reached at {address}: {error}",
            hint="check RAY_ADDRESS, or unset it",
        ) from error


@contextmanager
def _held_stderr() -> Generator[None]:
    """Hold back what native code writes to standard error, and show it only after a failure.

    Ray's core greets there, whatever its log level.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        before = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(before, held.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)


class _OwnThread(io.TextIOBase):
    """Standard output for the thread that made it; what others write goes to standard error.

    A thread of Ray's prints there that a worker has died, and nothing turns it off.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._thread = stream, threading.get_ident()

    def write(self, text: str) -> int:
        own = threading.get_ident() == self._thread
        return (self._stream if own else sys.stderr).write(text)

    def flush(self) -> None:
        self._stream.flush()
