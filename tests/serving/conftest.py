"""Servers in threads, whose workers are small programs that follow the protocol."""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the extra serve is not installed")

import uvicorn

from serpent_cli.serving.client import connection
from serpent_cli.serving.crew import Crew, Settings
from serpent_cli.serving.guard import Limits, protocol
from serpent_cli.serving.server import Where, listening
from serpent_cli.serving.service import Service

# Copies the picture; what it holds decides on what else happens. Each answer is written in one
# piece: two threads that print may mix their lines, and a worker that does is taken for mad.
WORKER = """
import json, os, pathlib, sys, threading, time
def tell(answer):
    os.write(1, json.dumps(answer).encode() + b"\\n")
sys.stdin.readline()
tell({"ready": True})
def work(job):
    content = pathlib.Path(job["source"]).read_bytes()
    folder = pathlib.Path(job["folder"])
    if content.startswith(b"die always") or (content.startswith(b"die once") and not mark.exists()):
        mark.touch()
        time.sleep(0.2)
        os._exit(9)
    for sign, seconds in ((b"slow", 1), (b"hang", 100)):
        if content.startswith(sign):
            time.sleep(seconds)
    target = folder / "result.png"
    target.write_bytes(content)
    facts = {"path": str(target), "width": 1, "height": 1, "tiles": 1, "seconds": 0.0,
             "warnings": [], "difference": None, "id": job["id"], "settings": job.get("settings")}
    if content.startswith(b"bad"):
        facts = {"error": "it is bad", "hint": "no hint", "exit_code": 4, "id": job["id"]}
    tell(facts)
mark = pathlib.Path(sys.argv[1])
for line in sys.stdin:
    threading.Thread(target=work, args=(json.loads(line),), daemon=True).start()
"""


@dataclass
class Served:
    """A server that is at work."""

    address: str
    service: Service

    def connect(self) -> HTTPConnection:
        return connection(self.address)

    def post(
        self, body: bytes, path: str = "/deblur", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status, and the answer as JSON or as it is."""
        with closing(self.connect()) as line:
            line.request("POST", path, body, headers or {})
            answer = line.getresponse()
            content = answer.read()
            if answer.headers["content-type"] == "application/json":
                return answer.status, json.loads(content)
            return answer.status, content

    def health(self) -> dict[str, Any]:
        with closing(self.connect()) as line:
            line.request("GET", "/health")
            return json.loads(line.getresponse().read())


Start = Callable[..., Served]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """start(where=a socket, limits=Limits(), hosts=(), token=None, command=the worker above)."""
    (tmp_path / "worker.py").write_text(WORKER)
    stops: list[Callable[[], None]] = []

    def begin(
        where: Where | None = None,
        limits: Limits | None = None,
        hosts: tuple[str, ...] = (),
        token: str | None = None,
        command: tuple[str, ...] = (),
        settings: Settings | None = None,
    ) -> Served:
        where, limits = where or Where(tmp_path / f"{len(stops)}.sock"), limits or Limits()
        command = command or (sys.executable, str(tmp_path / "worker.py"), str(tmp_path / "mark"))
        service = Service(Crew(settings or Settings(), command), limits, hosts, token)
        config = uvicorn.Config(
            service.application(), http=protocol(limits.head), ws="none", log_level="critical",
            timeout_graceful_shutdown=1, limit_concurrency=limits.queue + 64,
        )  # fmt: skip
        server, ready = uvicorn.Server(config), threading.Event()
        address: list[str] = []

        def run() -> None:
            with listening(where) as bound:
                port = bound.getsockname()[1] if where.port is not None else 0
                address.append(f"http://{where.host}:{port}" if port else where.address)
                ready.set()
                asyncio.run(server.serve(sockets=[bound]))

        thread = threading.Thread(target=run)
        thread.start()

        def stop() -> None:
            server.should_exit = True
            thread.join(30)

        stops.append(stop)
        assert ready.wait(30)
        while not server.started:
            time.sleep(0.01)
        return Served(address[0], service)

    yield begin
    for stop in stops:
        stop()
