"""`--server` as a program: it waits for a full queue, and Ctrl-C waits for nobody."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from serpent_cli.errors import ModelError, SerpentError, UsageError
from serpent_cli.serving.guard import Limits
from serpent_cli.serving.wire import RestoreSettings, as_error, as_json

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")

COMMAND = [sys.executable, "-m", "serpent_cli", "deblur", "--server"]


def begun(served: Any, folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"SERPENT_SERVER": served.address},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def test_a_full_queue_is_waited_for(start: Any, tmp_path: Path) -> None:
    served = start(limits=Limits(queue=1))
    (tmp_path / "in").mkdir()
    for number in range(4):
        (tmp_path / "in" / f"{number}.png").write_bytes(b"slow %d" % number)
    with begun(served, tmp_path, "in") as process:
        out, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert out.splitlines() == [f"in_deblurred/{number}.png" for number in range(4)]
    for number in range(4):
        assert (tmp_path / f"in_deblurred/{number}.png").read_bytes() == b"slow %d" % number


def test_ctrl_c_waits_for_no_answer(start: Any, tmp_path: Path) -> None:
    served = start()
    (tmp_path / "a.png").write_bytes(b"hang")
    with begun(served, tmp_path, "a.png") as process:
        deadline = time.monotonic() + 60
        while not served.health()["under_way"] and time.monotonic() < deadline:
            time.sleep(0.1)
        assert served.health()["under_way"] == 1
        process.send_signal(signal.SIGINT)
        sent = time.monotonic()
        _, said = process.communicate(timeout=60)
    assert time.monotonic() - sent < 30
    assert process.returncode == 130
    assert said.splitlines()[-1] == "stopped; nothing was written"
    assert not (tmp_path / "a_deblurred.png").exists()


def test_a_picture_beyond_the_server_s_limit_is_refused_before_it_is_sent(
    start: Any, tmp_path: Path
) -> None:
    served = start(limits=Limits(body=1000))
    with (tmp_path / "a.png").open("wb") as stream:
        stream.truncate(2**28)  # a hole, which takes no room
    with begun(served, tmp_path, "a.png") as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "error: the picture has 268435456 bytes, and this server takes 1000" in said


def test_settings_cross_the_wire() -> None:
    settings = RestoreSettings(
        task="upscale", name="b\udce9 &=+.png", model="upscale-x2", scale=2, strength=0.25,
        region="1,2,3,4", size="50%", quality=100, format="webp", tile="64", max_pixels=10,
    )  # fmt: skip
    assert RestoreSettings.of("upscale", settings.query()) == settings
    crisp = RestoreSettings(task="upscale", scale=4, style="crisp")
    assert RestoreSettings.of("upscale", crisp.query()) == crisp
    assert RestoreSettings.of("deblur", "") == RestoreSettings()
    assert RestoreSettings().query() == ""


@pytest.mark.parametrize(
    "error", [UsageError("a", "b"), ModelError("a"), SerpentError("a", None)], ids=repr
)
def test_errors_cross_the_wire(error: SerpentError) -> None:
    there = as_error(as_json(error))
    assert (there.message, there.hint, there.exit_code) == (
        error.message, error.hint, error.exit_code,
    )  # fmt: skip
