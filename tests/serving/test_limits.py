"""Too large bodies, clients that dawdle or go, a full queue, strangers: bounded and clear."""

import os
import socket
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from serpent_cli.errors import SerpentError, UsageError
from serpent_cli.serving.guard import LOOPBACK, Limits
from serpent_cli.serving.server import Where, listening

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")


def spool(served: Any) -> list[Path]:
    """Files that the server still holds; its folders may vanish meanwhile."""
    found = os.walk(served.service.spool)
    return [Path(folder, name) for folder, _, names in found for name in names]


def emptied(served: Any) -> bool:
    """Whether all files go; a moment after the answer is heard."""
    deadline = time.monotonic() + 30
    while spool(served) and time.monotonic() < deadline:
        time.sleep(0.05)
    return spool(served) == []


def raw(served: Any, data: bytes) -> socket.socket:
    """A connection of one's own, with something said on it."""
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(30)
    line.connect(served.address)
    line.sendall(data)
    return line


def heard(line: socket.socket) -> bytes:
    """All that the server says until it closes the connection."""
    said = b""
    while chunk := line.recv(65536):
        said += chunk
    return said


def test_a_picture_comes_back_and_nothing_stays(start: Any) -> None:
    served = start()
    assert served.post(b"a picture") == (200, b"a picture")
    assert emptied(served)
    assert served.health()["under_way"] == 0


def test_ten_gigabytes_are_refused_by_their_announcement(start: Any) -> None:
    served = start(limits=Limits(body=10**6))
    head = b"POST /deblur HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (10 * 2**30)
    begun = time.monotonic()
    with closing(raw(served, head)) as line:
        said = heard(line)
    assert b" 413 " in said.split(b"\r\n")[0]
    assert b"the picture has 10737418240 bytes, and this server takes 1000000 bytes" in said
    assert time.monotonic() - begun < 10
    assert served.post(b"the next") == (200, b"the next")


def test_ten_gigabytes_that_nobody_announced_end_at_the_limit(start: Any) -> None:
    """Chunk by chunk; what was taken is on the disk, not in memory, and goes with the request."""
    served = start(limits=Limits(body=10**6))
    line = raw(served, b"POST /deblur HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk, sent, most = b"%x\r\n%s\r\n" % (2**16, b"x" * 2**16), 0, 0
    try:
        while sent < 10 * 2**30:
            line.sendall(chunk)
            sent += 2**16
            most = max(most, sum(path.stat().st_size for path in spool(served)))
    except OSError:  # the server has closed it
        pass
    line.close()
    assert sent < 20 * 10**6
    assert most <= 10**6 + 2**18
    assert served.post(b"the next") == (200, b"the next")
    assert emptied(served)


def test_a_client_that_falls_silent_loses_its_place(start: Any) -> None:
    served = start(limits=Limits(idle=0.5, queue=1))
    head = b"POST /deblur HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc"
    with closing(raw(served, head)) as line:
        said = heard(line)
    assert b" 408 " in said.split(b"\r\n")[0]
    assert b"the picture comes too slowly: nothing came for" in said
    assert served.post(b"the next") == (200, b"the next")


def test_a_client_that_drips_is_too_slow(start: Any) -> None:
    """A byte now and then keeps no connection alive for ever."""
    served = start(limits=Limits(idle=5, grace=0.3, pace=1000))
    head = b"POST /deblur HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    with closing(raw(served, head)) as line:
        begun = time.monotonic()
        try:
            while time.monotonic() - begun < 20:
                line.sendall(b"x")
                time.sleep(0.1)
        except OSError:
            pass
        assert time.monotonic() - begun < 20, "it was cut off"
    assert served.health()["under_way"] == 0


def test_a_client_without_a_whole_head_is_cut_off(start: Any) -> None:
    served = start(limits=Limits(head=0.5))
    with closing(raw(served, b"POST /deblur HTTP/1.1\r\nHo")) as line:
        begun = time.monotonic()
        heard(line)
    assert time.monotonic() - begun < 10


def test_a_client_that_takes_nothing_is_cut_off(start: Any) -> None:
    served = start(limits=Limits(idle=0.5, queue=1))
    size = 30 * 10**6
    head = b"POST /deblur HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
    with closing(raw(served, head + bytes(size))) as line:
        deadline = time.monotonic() + 30
        while served.health()["under_way"] and time.monotonic() < deadline:
            time.sleep(0.1)
        assert served.health()["under_way"] == 0
        assert emptied(served)
        del line
    assert served.post(b"the next") == (200, b"the next")


def test_a_full_queue_says_so_and_the_others_are_done(start: Any) -> None:
    served = start(limits=Limits(queue=2))
    found: list[tuple[int, Any]] = []
    threads = [
        threading.Thread(target=lambda: found.append(served.post(b"slow"))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    full = [said for status, said in found if status == 503]
    assert full
    assert full[0]["error"] == "the queue is full: 2 pictures are under way"
    assert full[0]["exit_code"] == 1
    assert [said for status, said in found if status == 200] == [b"slow"] * (5 - len(full))
    assert len(found) - len(full) >= 2


def test_a_client_that_goes_leaves_nothing_behind(start: Any) -> None:
    served = start(limits=Limits(queue=3))
    for _ in range(6):
        raw(served, b"POST /deblur HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nslow").close()
    deadline = time.monotonic() + 30
    while served.health()["under_way"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert served.health()["under_way"] == 0
    assert emptied(served)


def test_only_the_user_can_open_the_socket(start: Any) -> None:
    served = start()
    assert os.stat(served.address).st_mode & 0o777 == 0o600
    with (
        pytest.raises(SerpentError, match="a server is already running at"),
        listening(Where(Path(served.address))),
    ):
        pass


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8017"}, 200),
        ({"Host": "evil.example"}, 403),  # whose server has pointed its name to 127.0.0.1
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_pages_of_others_are_refused(headers: dict[str, str], status: int, start: Any) -> None:
    served = start(where=Where(port=0), hosts=LOOPBACK)
    assert served.post(b"a picture", headers=headers)[0] == status


def test_a_token_is_asked_for(start: Any) -> None:
    served = start(where=Where(port=0), token="secret")
    status, said = served.post(b"a picture")
    assert (status, said["hint"]) == (401, "set SERPENT_TOKEN to the token of the server")
    for given, expected in (("Bearer secret", 200), ("Bearer secrets", 401), ("é", 401)):
        headers = {"Authorization": given.encode("latin-1").decode("latin-1")}
        assert served.post(b"a picture", headers=headers)[0] == expected


def test_no_network_without_a_token() -> None:
    with pytest.raises(UsageError, match="there is no token"):
        Where(port=8017, host="0.0.0.0").check()
    Where(port=8017, host="0.0.0.0", token="secret").check()
    Where(port=8017).check()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/deblur?strenght=1", "there is no option 'strenght'"),
        ("/deblur?strength=2", "strength=2.0 is not between 0 and 1"),
        ("/deblur?strength=nan", "strength=nan is not between"),
        ("/deblur?quality=x", "quality=x is not a number"),
        ("/deblur?region=1,2", "--region 1,2 is not four whole numbers"),
        ("/upscale?style=nice", "there is no style 'nice'"),
        ("/upscale?style=crisp&model=upscale-x4", "a style and the model upscale-x4 do not go"),
        ("/deblur?style=crisp", "deblur has no styles"),
        ("/compare", "split=N is missing"),
    ],
)
def test_options_that_make_no_sense(path: str, words: str, start: Any) -> None:
    status, said = start().post(b"a picture", path)
    assert (status, said["exit_code"]) == (400, 2)
    assert words in said["error"]
