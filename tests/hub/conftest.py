"""A small Hub on the loopback: the part of its HTTP interface that the real client uses here."""

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest


def oid(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Fault:
    """What goes wrong with requests whose path contains some text.

    `drop` ends the connection after that share of the body, `wrong` sends other bytes, `slow`
    waits so many seconds first; `times` counts down, and `after` lets so many requests pass.
    """

    path: str
    method: str = "GET"
    status: int = 0
    code: str = ""
    drop: float = 1.0
    wrong: bool = False
    slow: float = 0.0
    times: int = 10**6
    after: int = 0


@dataclass
class Hub:
    """Repositories, what goes wrong, and what was asked."""

    repos: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    log: list[tuple[str, str, str]] = field(default_factory=list)
    refs: dict[tuple[str, str], str] = field(default_factory=dict)
    """Commits of other revisions, by repository and name, such as refs/pr/1."""
    lies: dict[str, Any] = field(default_factory=dict)
    """What is said of all repositories and files instead: sha, size and etag of weights,
    and the etag of a card."""
    whole: bool = False
    """Whether ranges are ignored: each answer is the whole file."""
    token: str | None = None
    leaked: bool = False
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def commit(self, repo: str, files: dict[str, bytes]) -> str:
        """Add files to the branch main; returns the commit."""
        before = self.repos.setdefault(repo, {}).get(self.heads.get(repo, ""), {})
        merged = {**before, **files}
        name = hashlib.sha1(repr(sorted((k, oid(v)) for k, v in merged.items())).encode())
        self.repos[repo][name.hexdigest()] = merged
        self.heads[repo] = name.hexdigest()
        for content in files.values():
            self.blobs[oid(content)] = content
        return name.hexdigest()

    def fail(self, path: str, **how: Any) -> None:
        """Let requests for a path fail from now on; see `Fault`."""
        self.faults.append(Fault(path, **how))

    def fault(self, method: str, path: str) -> Fault:
        """The first fault that is due; one without effect if there is none."""
        with self.lock:
            for fault in self.faults:
                if fault.method == method and fault.path in path and fault.times > 0:
                    if fault.after > 0:
                        fault.after -= 1
                        break
                    fault.times -= 1
                    return fault
        return Fault("")

    def asked(self, path: str) -> list[str]:
        """The Range headers of the GET requests for a path."""
        return [wanted for method, url, wanted in self.log if method == "GET" and path in url]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.log.append((self.command, path, self.headers.get("Range") or ""))
        self.now = self.hub.fault(self.command, path)
        time.sleep(self.now.slow)
        if self.now.status:
            self._error(self.now.status, self.now.code)
        elif not self._allowed(path):
            self._error(401, "RepoNotFound")
        else:
            self._route(path, body)

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815 (names of http.server)

    def _allowed(self, path: str) -> bool:
        """Files are stored elsewhere, by addresses that nobody guesses: no token belongs there."""
        given = self.headers.get("Authorization") or ""
        if path.startswith(("/cdn/", "/lfs/")):
            self.hub.leaked |= bool(given)
            return True
        return self.hub.token is None or self.hub.token in given

    def _route(self, path: str, body: bytes) -> None:
        raw = urlsplit(self.path).path  # a slash in a revision comes quoted
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", raw):
            self._resolve(*map(unquote, found.groups()))
        elif found := re.fullmatch(r"/cdn/([0-9a-f]{64})", path):
            self._send(self.hub.blobs[found[1]], {"ETag": f'"{found[1]}"'})
        elif found := re.fullmatch(  # a slash in a revision comes quoted, or it means another path
            r"/api/models/([^/]+/[^/]+)/(paths-info|revision|tree)/([^/]+)",
            urlsplit(self.path).path,
        ):
            self._describe(found[1], found[2], unquote(found[3]), body)
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)", path):
            self._describe(found[1], "revision", "main", body)
        else:
            self._write(path, body)

    def _files(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        if repo not in self.hub.repos:
            self._error(404, "RepoNotFound")
            return None
        commit = self.hub.heads[repo] if revision == "main" else revision
        commit = self.hub.refs.get((repo, revision), commit)
        if commit not in self.hub.repos[repo]:
            self._error(404, "RevisionNotFound")
            return None
        return commit, self.hub.repos[repo][commit]

    def _resolve(self, repo: str, revision: str, name: str) -> None:
        if (found := self._files(repo, revision)) is None:
            return
        commit, files = found
        headers = {"X-Repo-Commit": self.hub.lies.get("sha", commit)}
        if name not in files:
            self._error(404, "EntryNotFound", headers)
        elif name.endswith(".safetensors"):  # large files: a redirect to where they are stored
            digest = oid(files[name])
            etag = self.hub.lies.get("etag", digest)
            size = self.hub.lies.get("size", len(files[name]))
            headers |= {
                "X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(size),
                "Location": f"{self.hub.url}/cdn/{digest}".replace("127.0.0.1", "localhost"),
            }  # fmt: skip
            self._send(b"", headers, status=302)
        else:
            etag = self.hub.lies.get("card", hashlib.sha1(files[name]).hexdigest())
            self._send(files[name], {**headers, "ETag": f'"{etag}"'})

    def _describe(self, repo: str, what: str, revision: str, body: bytes) -> None:
        if (found := self._files(repo, revision)) is None:
            return
        commit, files = found
        if what == "revision":
            siblings = [{"rfilename": name} for name in files]
            self._json({"id": repo, "modelId": repo, "sha": commit, "siblings": siblings})
            return
        wanted = list(files) if what == "tree" else parse_qs(body.decode())["paths"]
        self._json([self._entry(name, files[name]) for name in wanted if name in files])

    def _entry(self, name: str, content: bytes) -> dict[str, object]:
        entry: dict[str, object] = {
            "type": "file", "path": name, "size": len(content),
            "oid": hashlib.sha1(content).hexdigest(),
        }  # fmt: skip
        if name.endswith(".safetensors"):
            entry["lfs"] = {"oid": oid(content), "size": len(content), "pointerSize": 130}
        return entry

    def _write(self, path: str, body: bytes) -> None:
        """Uploads: the repository, what goes where, large files, the commit."""
        hub = self.hub
        if path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked['organization'] or 'me'}/{asked['name']}"
            hub.repos.setdefault(repo, {})
            self._json({"url": f"{hub.url}/{repo}", "name": repo})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            self._json({"files": [
                {"path": each["path"], "shouldIgnore": False,
                 "uploadMode": "lfs" if each["path"].endswith(".safetensors") else "regular"}
                for each in json.loads(body)["files"]
            ]})  # fmt: skip
        elif path.endswith("/info/lfs/objects/batch"):
            self._json({"transfer": "basic", "objects": [
                {"oid": each["oid"], "size": each["size"],
                 "actions": {"upload": {"href": f"{hub.url}/lfs/{each['oid']}"}}}
                for each in json.loads(body)["objects"]
            ]})  # fmt: skip
        elif found := re.fullmatch(r"/lfs/([0-9a-f]{64})", path):
            hub.blobs[found[1]] = body
            self._send(b"", {})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/([^/]+)", path):
            files: dict[str, bytes] = {}
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    files[value["path"]] = hub.blobs[value["oid"]]
            commit = hub.commit(found[1], files)
            self._json({"commitUrl": f"{hub.url}/{found[1]}/commit/{commit}", "commitOid": commit})
        else:
            self._error(404, "")

    def _json(self, content: object) -> None:
        self._send(json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        said = {"X-Error-Code": code, "X-Error-Message": code} if code else {}
        self._send(b"{}", {**(headers or {}), **said}, status=status)

    def _send(self, content: bytes, headers: dict[str, str], status: int = 200) -> None:
        if self.now.wrong and status == 200:
            content = bytes(len(content))
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if status == 200 and part and not self.hub.whole:
            start, end = int(part[1]), int(part[2]) + 1 if part[2] else len(content)
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
            content, status = content[start:end], 206
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: int(len(content) * self.now.drop)])
        if self.now.drop < 1:
            self.close_connection = True
            self.wfile.flush()
            self.connection.shutdown(2)


@pytest.fixture
def hub() -> Iterator[Hub]:
    """An empty Hub that listens."""
    found = Hub()
    handler = type("OfThisHub", (Handler,), {"hub": found})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
