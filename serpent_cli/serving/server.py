"""The server's life: where it listens, and how it ends."""

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from serpent_cli.errors import SerpentError, UsageError, reason_of
from serpent_cli.serving.crew import Crew, Settings
from serpent_cli.serving.guard import LOOPBACK, Limits, protocol
from serpent_cli.serving.service import Service
from serpent_cli.settings import SERVER, TOKEN

BACKLOG = 128
SPARE_CONNECTIONS = 64  # beside the queue's: for pages, and those that are told to wait
ENDING_SECONDS = 60  # for pictures under way, after Ctrl-C


@dataclass(frozen=True)
class Where:
    """Where to listen.

    Attributes:
        path: Of a Unix socket.
        port: Of TCP; with it, the socket is left alone.
        host: Of TCP.
        token: What clients must send.
    """

    path: Path | None = None
    port: int | None = None
    host: str = LOOPBACK[0]
    token: str | None = None

    @property
    def address(self) -> str:
        """As a user writes it."""
        if self.port is None:
            return str(self.path)
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def check(self) -> None:
        """Refuse to listen to a network without a secret.

        Raises:
            UsageError: It would.
        """
        if self.port is not None and self.host not in LOOPBACK and not self.token:
            raise UsageError(
                f"--host {self.host} would let other machines in, and there is no token",
                hint=f"set {TOKEN.name} to a secret, here and for the clients",
            )


def serve(
    where: Where, settings: Settings, limits: Limits, on_ready: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C or SIGTERM; pictures under way are finished then.

    Args:
        where: To listen.
        settings: What to restore with.
        limits: Of bodies, of the queue and of patience.
        on_ready: Told the address once the worker is warm.

    Raises:
        UsageError: The address cannot be listened to.
        SerpentError: The worker does not start.
    """
    where.check()
    # With a token, whoever knows it may come by any name.
    named = where.port is not None and where.host in LOOPBACK
    with listening(where) as bound:
        service = Service(Crew(settings), limits, LOOPBACK if named else (), where.token)
        config = uvicorn.Config(
            service.application(), http=protocol(limits.head), ws="none", lifespan="on",
            log_level="critical", access_log=False, server_header=False, proxy_headers=False,
            limit_concurrency=limits.queue + SPARE_CONNECTIONS,
            timeout_keep_alive=15, timeout_graceful_shutdown=ENDING_SECONDS,
            h11_max_incomplete_event_size=2**15,
        )  # fmt: skip
        asyncio.run(_run(uvicorn.Server(config), service, bound, on_ready, where))


async def _run(
    server: uvicorn.Server,
    service: Service,
    bound: socket.socket,
    on_ready: Callable[[str], None],
    where: Where,
) -> None:
    try:
        await service.crew.running()
        on_ready(where.address)
        with contextlib.suppress(KeyboardInterrupt):
            await server.serve(sockets=[bound])
    finally:
        await service.crew.close()


@contextmanager
def listening(where: Where) -> Generator[socket.socket]:
    """The socket to take connections from; a Unix socket's file goes with it.

    Raises:
        UsageError: The address cannot be listened to.
        SerpentError: Another server does that.
    """
    if where.port is not None:
        yield _tcp(where.host, where.port, where.address)
        return
    assert where.path is not None
    with _unix(where.path) as bound:
        yield bound


def _tcp(host: str, port: int, address: str) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        raise UsageError(
            f"cannot listen at {address}: {reason_of(error)}",
            hint="is another server there? name another --port",
        ) from error
    bound.listen(BACKLOG)
    return bound


@contextmanager
def _unix(path: Path) -> Generator[socket.socket]:
    """A socket that only this user can open; one that a dead server has left is replaced."""
    if not hasattr(socket, "AF_UNIX"):
        raise UsageError("this system has no Unix sockets", hint="give --port 8017")
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_dead(path)
        before = os.umask(0o177)
        try:
            bound.bind(str(path))
        finally:
            os.umask(before)
    except OSError as error:
        raise UsageError(
            f"cannot listen at {path}: {reason_of(error)}",
            hint=f"name another --socket, and set {SERVER.name} to it",
        ) from error
    bound.listen(BACKLOG)
    try:
        yield bound
    finally:
        bound.close()
        with contextlib.suppress(OSError):
            path.unlink()


def _remove_dead(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise UsageError(f"{path} is not a socket", hint="name another --socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise SerpentError(
        f"a server is already running at {path}", hint="stop it first, or name another --socket"
    )
