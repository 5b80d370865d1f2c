"""The server's answers: POST a picture, get a picture; GET / is a page to try it.

    POST /deblur?strength=0.5      the picture as the body; the restored one comes back
    POST /upscale?scale=4          the same; options as those of the commands
    POST /compare?split=N          two pictures in one body, the first of N bytes; a page comes back
    GET  /health                   whether it works, and how many pictures are under way

An error is JSON: {"error": sentence, "hint": what to do or null, "exit_code": as of the commands}.
"""

import asyncio
import contextlib
import json
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serpent_cli.errors import SerpentError, UsageError
from serpent_cli.imaging.formats import format_for
from serpent_cli.serving.crew import Crew
from serpent_cli.serving.guard import Limits, Message, Patient, RefusedError, check_caller
from serpent_cli.serving.upload_page import page_files
from serpent_cli.serving.wire import FACTS, TASKS, RestoreSettings, as_json, status_of
from serpent_cli.version import __version__

CHUNK = 2**18


class Service:
    """What the routes share.

    Args:
        crew: Restores.
        limits: Of bodies, of the queue and of patience.
        hosts: As for `guard.check_caller`.
        token: As for `guard.check_caller`.
    """

    def __init__(
        self, crew: Crew, limits: Limits, hosts: tuple[str, ...] = (), token: str | None = None
    ) -> None:
        self.crew, self.limits, self.hosts, self.token = crew, limits, hosts, token
        self.under_way = 0
        self.spool = Path(tempfile.mkdtemp(prefix="serpent-serve-"))

    def application(self) -> Starlette:
        """The ASGI application."""
        posts = [Route(f"/{task}", Posted(self, task), methods=["POST"]) for task in TASKS]
        pages = [
            Route(path, _page(content, kind, headers))
            for path, (content, kind, headers) in page_files().items()
        ]
        compare = Route("/compare", Posted(self, "compare"), methods=["POST"])
        return Starlette(
            routes=[*posts, compare, Route("/health", self._health), *pages],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncGenerator[None]:
        del app
        try:
            yield
        finally:
            await self.crew.close()
            shutil.rmtree(self.spool, ignore_errors=True)

    async def _health(self, request: Request) -> Response:
        del request
        facts = {"version": __version__, "under_way": self.under_way, "queue": self.limits.queue}
        return JSONResponse({**facts, "starts": self.crew.starts})

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[Path]:
        """A place in the queue, and a folder for its files.

        Raises:
            RefusedError: There is none.
        """
        if self.under_way >= self.limits.queue:
            raise RefusedError(
                503, f"the queue is full: {self.under_way} pictures are under way", "try again"
            )
        self.under_way += 1
        folder = Path(tempfile.mkdtemp(dir=self.spool))
        try:
            yield folder
        finally:
            self.under_way -= 1
            shutil.rmtree(folder, ignore_errors=True)


class Posted:
    """One route that takes pictures; an ASGI application, since it watches every byte.

    Args:
        service: What it is a part of.
        kind: `deblur`, `upscale` or `compare`.
    """

    def __init__(self, service: Service, kind: str) -> None:
        self.service, self.kind = service, kind

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        """Answer a request."""
        patient = Patient(receive, send, self.service.limits)
        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        try:
            check_caller(headers, self.service.hosts, self.service.token)
            async with self.service.place() as folder:
                job = await self._taken(
                    scope["query_string"].decode("ascii"), headers, patient, folder
                )
                answer = await _unless_gone(self.service.crew, job, patient)
                await _send_file(patient, answer)
        except SerpentError as error:
            await _refuse(patient, error)
        except TimeoutError:  # who does not take the answer hears no more
            raise
        except asyncio.CancelledError:  # Ctrl-C, and no patience left
            await _refuse(patient, RefusedError(503, "the server is stopping", "start it again"))
        except Exception as error:  # noqa: BLE001 (one request must not end the server)
            text = f"unexpected {type(error).__name__}: {error}"
            await _refuse(patient, RefusedError(500, text, "please report it"))

    async def _taken(
        self, query: str, headers: dict[str, str], patient: Patient, folder: Path
    ) -> dict[str, Any]:
        """The job that a request asks for, with its body in files.

        Raises:
            SerpentError: It makes no sense, is too long or comes too slowly.
        """
        if self.kind == "compare":
            said = dict(parse_qsl(query))
            if not said.get("split", "").isdigit():
                raise UsageError("split=N is missing: how many bytes the first picture has")
            body = await patient.body(headers.get("content-length"))
            name = _file_name(said.get("name", ""))
            pair = [folder / side / name for side in ("before", "after")]
            for path in pair:
                path.parent.mkdir()
            await _keep(body, pair[0])
            await asyncio.to_thread(_cut, pair[0], int(said["split"]), pair[1])
            before, after = map(str, pair)
            return {"kind": "compare", "source": before, "after": after, "folder": str(folder)}
        settings = RestoreSettings.of(self.kind, query)
        body = await patient.body(headers.get("content-length"))
        suffix = PurePosixPath(settings.name).suffix
        source = folder / f"in{suffix if suffix[1:].isalnum() and suffix.isascii() else ''}"
        await _keep(body, source)
        return {
            "kind": "restore", "settings": asdict(settings),
            "source": str(source), "folder": str(folder),
        }  # fmt: skip


def _file_name(name: str) -> str:
    """What a page calls its pictures, as the name of a file."""
    kept = "".join(" " if sign in "/\\\0" else sign for sign in name)[:60].strip(" .")
    return kept or "picture"


async def _keep(body: AsyncIterator[bytes], target: Path) -> None:
    with target.open("xb") as stream:
        async for chunk in body:
            stream.write(chunk)


def _cut(both: Path, first: int, after: Path) -> None:
    with both.open("r+b") as stream, after.open("xb") as rest:
        stream.seek(first)
        shutil.copyfileobj(stream, rest)
        stream.truncate(first)


async def _unless_gone(crew: Crew, job: dict[str, Any], patient: Patient) -> dict[str, Any]:
    """The worker's answer. If the client goes, a job that has begun keeps its place to its end.

    Raises:
        SerpentError: What the worker says is wrong, or the client has gone.
    """
    doing, gone = asyncio.ensure_future(crew.do(job)), asyncio.ensure_future(patient.gone())
    try:
        await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        if job.get("begun"):
            await asyncio.wait({doing})
        raise RefusedError(400, "the client has gone")
    finally:
        gone.cancel()
        doing.cancel()


async def _send_file(patient: Patient, answer: dict[str, Any]) -> None:
    """The result as the answer, in pieces: a client that takes them slowly holds no memory."""
    path = Path(answer.pop("path"))
    facts = json.dumps(answer).encode("ascii")
    await patient.send({
        "type": "http.response.start", "status": 200,
        "headers": [
            (b"content-type", _media_type(path).encode()), (b"cache-control", b"no-store"),
            (b"content-length", str(path.stat().st_size).encode()), (FACTS.lower().encode(), facts),
        ],
    })  # fmt: skip
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            await patient.send({"type": "http.response.body", "body": chunk, "more_body": True})
    await patient.send({"type": "http.response.body", "body": b""})


def _media_type(path: Path) -> str:
    """Of a result: a picture, or the page that compares two."""
    return "text/html" if path.suffix == ".html" else format_for(path).media_type


async def _refuse(patient: Patient, error: SerpentError) -> None:
    """Say what is wrong, and end the connection: its body may not have been read."""
    content = json.dumps(as_json(error)).encode("ascii")
    headers = [
        (b"content-type", b"application/json"), (b"connection", b"close"),
        (b"content-length", str(len(content)).encode()),
    ]  # fmt: skip
    status = status_of(error)
    if status == 503:
        headers.append((b"retry-after", b"1"))
    with contextlib.suppress(TimeoutError, RuntimeError):  # whoever it was for may have gone
        await patient.send({"type": "http.response.start", "status": status, "headers": headers})
        await patient.send({"type": "http.response.body", "body": content})


def _page(content: bytes, kind: str, headers: dict[str, str]) -> Any:
    async def answer(request: Request) -> Response:
        del request
        return Response(content, media_type=kind, headers=headers)

    return answer
