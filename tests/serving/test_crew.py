"""A worker that dies: it is started anew, and no picture is lost but the one that kills it."""

import sys
import threading
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")


def posted(served: Any, *bodies: bytes) -> list[tuple[int, Any]]:
    """The answers to pictures that are sent at once, in their order."""
    found: list[Any] = [None] * len(bodies)

    def send(number: int) -> None:
        found[number] = served.post(bodies[number])

    threads = [threading.Thread(target=send, args=(number,)) for number in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_a_worker_that_died_is_started_anew_and_nothing_is_lost(
    start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    served = start()
    bodies = (b"die once", *(b"picture %d" % number for number in range(6)))
    assert posted(served, *bodies) == [(200, body) for body in bodies]
    assert served.health()["starts"] == 2
    assert not caplog.messages, "asyncio missed its end"


def test_a_picture_that_kills_the_worker_fails_alone(start: Any) -> None:
    served = start()
    bodies = [b"picture %d" % number for number in range(6)]
    killer, *others = posted(served, b"die always", *bodies)
    assert killer[0] == 422
    assert killer[1]["error"] == "the worker died twice while it restored this picture"
    assert "--max-memory" in killer[1]["hint"]
    assert others == [(200, body) for body in bodies]
    assert served.post(b"the next") == (200, b"the next")


def test_two_that_kill_it(start: Any) -> None:
    served = start()
    found = posted(served, b"die always", b"die always", b"a picture", b"slow")
    assert [status for status, _ in found] == [422, 422, 200, 200]


def test_what_the_worker_says_is_wrong(start: Any) -> None:
    status, said = start().post(b"bad")
    assert (status, said) == (404, {"error": "it is bad", "hint": "no hint", "exit_code": 4})


def test_a_worker_that_does_not_start(start: Any) -> None:
    served = start(command=(sys.executable, "-c", "raise SystemExit"))
    status, said = served.post(b"a picture")
    assert (status, said["error"]) == (422, "the worker died at its start")
