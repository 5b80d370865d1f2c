"""What stands before the server: who may speak to it, how much, and how slowly.

Any program on the machine can reach 127.0.0.1, and a page in a browser can make it send requests
there, even under a name that its own server has pointed to 127.0.0.1. So only names of this machine
are answered to, and a page of another origin is refused. A Unix socket has none of this: only the
user's own programs can open it.
"""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from serpent_cli.errors import SerpentError
from serpent_cli.serving.wire import TOKEN_HINT

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class RefusedError(SerpentError):
    """A request that is not let in.

    Args:
        status: Of HTTP.
        message: As of `SerpentError`.
        hint: As of `SerpentError`.
    """

    def __init__(self, status: int, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.status = status


@dataclass(frozen=True)
class Limits:
    """How much and how slowly.

    Attributes:
        body: Most bytes of a picture that is sent.
        queue: Most pictures under way at once, those that wait included.
        idle: Seconds without a byte, to or from a client, after which it is given up.
        grace: Seconds that any client has; from then on it must have sent `pace` bytes a second.
        pace: See `grace`.
        head: Seconds for a request's head.
    """

    body: int = 2**30
    queue: int = 32
    idle: float = 20.0
    grace: float = 30.0
    pace: int = 2**14
    head: float = 15.0


def protocol(seconds: float) -> type[H11Protocol]:
    """Uvicorn's protocol, which gives up on whoever has sent no whole head within these seconds."""

    class Protocol(H11Protocol):
        def connection_made(self, transport: Any) -> None:  # pyright: ignore
            super().connection_made(transport)
            self.loop.call_later(seconds, self._unless_it_spoke)

        def _unless_it_spoke(self) -> None:
            if self.cycle is None:  # pyright: ignore[reportUnnecessaryComparison]
                self.transport.close()

    return Protocol


def check_caller(headers: dict[str, str], hosts: tuple[str, ...], token: str | None) -> None:
    """Refuse strangers.

    Args:
        headers: Of the request, names in lower case.
        hosts: Names that the server goes by; empty for a Unix socket, and where a token decides.
        token: What has to be sent.

    Raises:
        RefusedError: Another host, origin or token.
    """
    host = headers.get("host", "")
    if hosts and _name(host) not in hosts:
        raise RefusedError(403, f"this server does not answer to the name {host!r}")
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != host:
        raise RefusedError(403, f"a page of {origin} may not use this server")
    given = headers.get("authorization", "").removeprefix("Bearer ")
    if token is not None and not hmac.compare_digest(given.encode(), token.encode()):
        raise RefusedError(401, "this server needs a token", TOKEN_HINT)


def _name(host: str) -> str:
    """A host without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


class Patient:
    """Receives a body and sends an answer, and gives up on a client that dawdles.

    Args:
        receive: The server's.
        send: The server's.
        limits: How slow a client may be.
    """

    def __init__(self, receive: Receive, send: Send, limits: Limits) -> None:
        self._receive, self._send, self.limits = receive, send, limits

    async def body(self, announced: str | None) -> "AsyncBody":
        """The chunks of the request's body.

        Args:
            announced: Its length by the request's head.

        Raises:
            RefusedError: It will be too long.
        """
        if announced is not None and announced.isdigit() and int(announced) > self.limits.body:
            raise self.too_long(int(announced))
        return AsyncBody(self)

    def too_long(self, size: int | None = None) -> RefusedError:
        """The error for a body that is too long."""
        said = "more" if size is None else f"{size} bytes"
        return RefusedError(
            413, f"the picture has {said}, and this server takes {self.limits.body} bytes at most",
            "start it with a larger --max-body, or restore the picture without --server",
        )  # fmt: skip

    async def receive(self) -> Message:
        """The next message of the client.

        Raises:
            RefusedError: None comes.
        """
        try:
            return await asyncio.wait_for(self._receive(), self.limits.idle)
        except TimeoutError:
            raise self._slow(f"nothing came for {self.limits.idle:.0f} s") from None

    async def gone(self) -> None:
        """Wait until the client has gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def send(self, message: Message) -> None:
        """Send a part of the answer.

        Raises:
            TimeoutError: The client does not take it; the connection is of no more use.
        """
        await asyncio.wait_for(self._send(message), self.limits.idle)

    def check_pace(self, begun: float, count: int) -> None:
        """Refuse a body of which only so many bytes have come since it began.

        Raises:
            RefusedError: They are too few.
        """
        late = time.monotonic() - begun - self.limits.grace
        if late > 0 and count < late * self.limits.pace:
            raise self._slow(f"less than {self.limits.pace} bytes came in a second")

    @staticmethod
    def _slow(why: str) -> RefusedError:
        return RefusedError(408, f"the picture comes too slowly: {why}", "send it again")


class AsyncBody:
    """The chunks of a body, within the limits; raises `RefusedError` beyond them."""

    def __init__(self, patient: Patient) -> None:
        self._patient, self._more = patient, True
        self._begun, self._count = time.monotonic(), 0

    def __aiter__(self) -> "AsyncBody":
        return self

    async def __anext__(self) -> bytes:
        if not self._more:
            raise StopAsyncIteration
        message = await self._patient.receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "the client has gone")
        self._more = message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        self._count += len(chunk)
        if self._count > self._patient.limits.body:
            raise self._patient.too_long()
        self._patient.check_pace(self._begun, self._count)
        return chunk
