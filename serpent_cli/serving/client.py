"""Asks a server to restore pictures; loads neither torch nor numpy, so that it starts at once."""

import contextlib
import http.client
import json
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import SpooledTemporaryFile
from types import SimpleNamespace
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from serpent_cli.batch.delivery import deliver, prepare
from serpent_cli.batch.manifest import ManifestLike
from serpent_cli.batch.naming import Job
from serpent_cli.batch.places import Standard, fetch, stream_digest
from serpent_cli.batch.result import FileResult
from serpent_cli.batch.standing import skipped, standing
from serpent_cli.errors import DeviceError, PictureError, SerpentError, reason_of
from serpent_cli.imaging.formats import format_for
from serpent_cli.serving.wire import FACTS, RestoreSettings, as_error

AHEAD = 3
"""Pictures under way: one or two are restored, decoded or encoded, one is sent or written."""
CHUNK = 2**18
HELD_BYTES = 2**24  # of a result; larger ones lie in a file
FETCHED_BYTES = 2**31  # most of a picture that is no file
CONTINUE_SECONDS = 30.0
BUSY_SECONDS = 600.0
"""How long to come again to a server whose queue is full."""


@dataclass(frozen=True)
class Errand:
    """What holds for all pictures of a run.

    Attributes:
        address: A socket's path, or http://host:port.
        settings: How to restore them; each has its own name and format.
        token: What the server asks for.
        force: Overwrite existing targets.
        manifest: As of `batch.stages.RunOptions`.
    """

    address: str
    settings: RestoreSettings
    token: str | None = None
    force: bool = False
    manifest: ManifestLike | None = None


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


def connection(address: str) -> http.client.HTTPConnection:
    """A connection that is opened with its first request.

    Raises:
        DeviceError: The address is of another kind.
    """
    parts = urlsplit(address)
    if parts.scheme == "http" and parts.hostname:
        return http.client.HTTPConnection(parts.hostname, parts.port or 80)
    if parts.scheme or not hasattr(socket, "AF_UNIX"):
        raise DeviceError(f"{address} is not the address of a server", "write http://host:port")
    return _Unix(address)


def check(address: str) -> None:
    """See that a server is there.

    Raises:
        DeviceError: None is.
    """
    found = connection(address)
    with contextlib.closing(found), _errors(address):
        found.request("GET", "/health")
        found.getresponse().read()


def run_on_server(jobs: Iterable[Job], errand: Errand) -> Iterator[FileResult]:
    """Have each picture restored; a failure is a result, and the next picture follows.

    Yields:
        One result per job, in order.
    """
    under_way: deque[Future[FileResult]] = deque()
    talk = _Talk()
    with ThreadPoolExecutor(AHEAD) as pool:
        try:
            for job in jobs:
                under_way.append(pool.submit(_done, job, errand, talk))
                if len(under_way) >= AHEAD:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for each in under_way:
                each.cancel()
            talk.end()


class _Talk:
    """The connections that are open, so that an interruption need not wait for their answers."""

    def __init__(self) -> None:
        self._lock, self._open = threading.Lock(), set[http.client.HTTPConnection]()
        self.ended = threading.Event()

    @contextlib.contextmanager
    def connected(self, address: str) -> Generator[http.client.HTTPConnection]:
        """A connection, closed at the end."""
        line = connection(address)
        with self._lock:
            self._open.add(line)
        try:
            yield line
        finally:
            with self._lock:
                self._open.discard(line)
            line.close()

    def end(self) -> None:
        """Break off what is under way; nothing is, unless the run ends early."""
        self.ended.set()
        with self._lock:
            for line in self._open:
                with contextlib.suppress(OSError, AttributeError):  # one that is not open yet
                    line.sock.shutdown(socket.SHUT_RDWR)


def _done(job: Job, errand: Errand, talk: _Talk) -> FileResult:
    begun = time.perf_counter()
    try:
        known = standing(job, errand.manifest, force=errand.force)
        if known.done is not None:
            return skipped(job, known.done, time.perf_counter() - begun)
        prepare(job.target, force=known.force)
        with contextlib.closing(_opened(job)) as source:
            facts, content = _asked(source, _settings_for(job, errand.settings), errand, talk)
        with content:
            return _written(job, facts, content, errand, known.mark, known.force, begun)
    except SerpentError as error:
        return FileResult(job, error=error, seconds=time.perf_counter() - begun)
    except OSError as error:
        failure = PictureError(f"cannot read {job.source}: {reason_of(error)}")
        return FileResult(job, error=failure, seconds=time.perf_counter() - begun)


def _opened(job: Job) -> BinaryIO:
    source = job.source
    if isinstance(source, Path) and source.is_file():
        return source.open("rb")
    return fetch(source, FETCHED_BYTES)


def _settings_for(job: Job, settings: RestoreSettings) -> RestoreSettings:
    named = settings.format
    if named is None and not isinstance(job.target, Standard):
        named = format_for(Path(job.target.name)).suffixes[0].removeprefix(".")
    return replace(settings, name=str(job.source), format=named)


def _written(
    job: Job,
    facts: dict[str, Any],
    content: BinaryIO,
    errand: Errand,
    mark: str,
    force: bool,
    begun: float,
) -> FileResult:
    warnings = tuple(facts["warnings"])
    size = {name: facts[name] for name in ("width", "height", "tiles")}

    def note(stream: BinaryIO) -> None:
        if errand.manifest is not None:
            errand.manifest.add(
                job, mark, stream_digest(stream), warnings=warnings,
                seconds=round(time.perf_counter() - begun, 3), **size,
            )  # fmt: skip

    deliver(content, job.target, force=force, on_ready=note)
    change = facts["difference"] and SimpleNamespace(**facts["difference"])
    return FileResult(
        job, None, warnings, seconds=time.perf_counter() - begun,
        difference=cast(Any, change), **size,
    )  # fmt: skip


def _asked(
    source: BinaryIO, settings: RestoreSettings, errand: Errand, talk: _Talk
) -> tuple[dict[str, Any], BinaryIO]:
    """Facts and bytes of the restored picture; a server whose queue is full is asked again.

    Raises:
        SerpentError: What the server says is wrong; or there is none.
    """
    deadline, wait = time.monotonic() + BUSY_SECONDS, 0.2
    while True:
        with talk.connected(errand.address) as line, _errors(errand.address):
            source.seek(0)
            answer = _posted(line, source, settings, errand.token)
            if answer.status == 200:
                return json.loads(answer.headers[FACTS]), _received(answer)
            said, status = _said(answer), answer.status
        if status != 503 or said.get("exit_code") != 1 or time.monotonic() > deadline:
            raise as_error(said)
        if talk.ended.wait(wait):
            raise as_error(said)
        wait = min(2 * wait, 3.0)


def _posted(
    line: http.client.HTTPConnection, source: BinaryIO, settings: RestoreSettings, token: str | None
) -> http.client.HTTPResponse:
    """Send a picture once the server says that it will take it; a refusal comes before that."""
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    line.putrequest("POST", f"/{settings.task}?{settings.query()}", skip_accept_encoding=True)
    line.putheader("Content-Length", str(size))
    line.putheader("Expect", "100-continue")
    if token is not None:
        line.putheader("Authorization", f"Bearer {token}")
    line.endheaders()
    if _may_go_on(line.sock):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has answered already
            while chunk := source.read(CHUNK):
                line.sock.sendall(chunk)
    return line.getresponse()


def _may_go_on(sock: socket.socket) -> bool:
    """Whether the server says 100; whatever else it says is left for who reads the answer."""
    if not select.select([sock], [], [], CONTINUE_SECONDS)[0]:
        return True
    return sock.recv(12, socket.MSG_PEEK).endswith(b" 100")


def _received(answer: http.client.HTTPResponse) -> BinaryIO:
    kept = SpooledTemporaryFile(HELD_BYTES)  # noqa: SIM115 (the caller closes it)
    try:
        while chunk := answer.read(CHUNK):
            kept.write(chunk)
        kept.seek(0)
    except BaseException:
        kept.close()
        raise
    return cast(BinaryIO, kept)


def _said(answer: http.client.HTTPResponse) -> dict[str, Any]:
    try:
        said = json.loads(answer.read(2**20))
    except ValueError:
        said = None
    if isinstance(said, dict):
        return said
    return {"error": f"the server answered {answer.status} {answer.reason}", "exit_code": 1}


@contextlib.contextmanager
def _errors(address: str) -> Generator[None]:
    """Turn what a connection raises into one sentence."""
    try:
        yield
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise DeviceError(
            f"no server answers at {address}", hint="start one: serpent serve"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        what = str(error) or type(error).__name__
        raise PictureError(
            f"the connection to the server at {address} broke: {what}",
            hint="see what it says, and try again",
        ) from error
