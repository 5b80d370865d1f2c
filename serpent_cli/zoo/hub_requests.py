"""Requests to the Hub whose answers are bounded, whatever the server says or sends.

The connection, proxy and token are huggingface_hub's own. Its functions, though, read an answer
whole, however long it is, and a part of one that ignores the range that was asked for.
"""

import time
from collections.abc import Mapping
from typing import Any, TypedDict
from urllib.parse import urljoin, urlsplit

from serpent_cli.errors import ModelError
from serpent_cli.version import DISTRIBUTION, __version__
from serpent_cli.zoo.hub_errors import is_of_the_network
from serpent_cli.zoo.names import HubReference


class Agent(TypedDict):
    """How a program names itself to the Hub."""

    library_name: str
    library_version: str


AGENT: Agent = {"library_name": DISTRIBUTION, "library_version": __version__}

WAITS = (1.0, 2.0, 4.0, 8.0, 8.0)
"""Seconds before another try, after the network failed or the Hub asked to wait."""

_PASSING = (429, 500, 502, 503, 504)
_MOVED = (301, 302, 303, 307, 308)
_MOST_MOVES = 5
_OF_THE_BODY = ("content-encoding", "content-length", "transfer-encoding")


def download(reference: HubReference, file: str, limit: int) -> bytes:
    """A small file of a repository.

    Raises:
        ModelError: It is longer than `limit`.
    """
    return _body(address(reference, file), limit)


def download_range(reference: HubReference, start: int, stop: int) -> bytes:
    """Bytes [start, stop) of a file of weights.

    Raises:
        ModelError: The server sends another number of bytes.
    """
    asked, url = {"Range": f"bytes={start}-{stop - 1}"}, address(reference, reference.file)
    content = _body(url, stop - start, headers=asked, waits=WAITS)
    if len(content) != stop - start:
        raise ModelError(
            f"the Hub sent {len(content)} bytes of {reference.file} of {reference.repo} where it"
            f" had announced {stop - start}",
            hint="run it again; if it stays so, tell the repository's author",
        )
    return content


def address(reference: HubReference, file: str) -> str:
    """Where a file of a repository is."""
    from huggingface_hub import hf_hub_url

    return hf_hub_url(reference.repo, file, revision=reference.revision)


def _body(
    url: str,
    limit: int,
    *,
    headers: Mapping[str, str] | None = None,
    waits: tuple[float, ...] = (),
) -> bytes:
    """The body of an answer; tried again after these seconds where that may help."""
    for wait in (*waits, None):
        try:
            status, body = _answer(url, limit, headers or {}, last=wait is None)
        except Exception as error:
            if wait is None or not is_of_the_network(error):
                raise
        else:
            if status not in _PASSING:
                return body
        time.sleep(wait or 0)
    raise AssertionError("the last try ends otherwise")


def _answer(url: str, limit: int, headers: Mapping[str, str], *, last: bool) -> tuple[int, bytes]:
    """Status and body of one answer, redirections followed.

    Raises:
        HfHubHTTPError: The status is an error that will not pass, or this was the last try.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    sent = build_hf_headers(**AGENT)
    sent |= {**headers, "Accept-Encoding": "identity"}
    for _ in range(_MOST_MOVES):
        session: Any = get_session()
        with session.stream(
            "GET", url, headers=sent, follow_redirects=False,
            timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
        ) as response:  # fmt: skip
            if response.status_code not in _MOVED:
                body = _bounded(response, limit)
                break
            url, sent = _moved(url, response.headers.get("Location", ""), sent)
    else:
        raise ModelError("the Hub redirects again and again", hint="check HF_ENDPOINT")
    if last or response.status_code not in _PASSING:
        kept = {k: v for k, v in response.headers.items() if k.lower() not in _OF_THE_BODY}
        hf_raise_for_status(
            type(response)(
                response.status_code, headers=kept, content=body, request=response.request
            )
        )
    return response.status_code, body


def _bounded(response: Any, limit: int) -> bytes:
    """The body of a response, at most so many bytes of it."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > limit:
            raise ModelError(
                f"the Hub sends more than the {limit} bytes allowed, from"
                f" {response.request.url.host}",
                hint="check HF_ENDPOINT; or tell the repository's author",
            )
    return bytes(body)


def _moved(url: str, location: str, sent: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Where a redirection leads, and the headers for there: the token stays with its host."""
    there = urljoin(url, location)
    if urlsplit(there).scheme not in ("http", "https"):
        raise ModelError(
            "the Hub redirects to something that is not a web address", hint="check HF_ENDPOINT"
        )
    if urlsplit(there)[:2] != urlsplit(url)[:2]:
        sent = {k: v for k, v in sent.items() if k.lower() != "authorization"}
    return there, sent
