"""`serpent serve` and `--server`, whole: the same pictures, options, errors; and a light client."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

pytest.importorskip("uvicorn", reason="the extra serve is not installed")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")

COMMAND = [sys.executable, "-m", "serpent_cli"]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def weights(make_weights: Callable[..., Path]) -> Path:
    return make_weights()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"SERPENT_SERVER": str(tmp_path / "s.sock")}


@pytest.fixture
def server(
    weights: Path, environment: dict[str, str], tmp_path: Path
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*COMMAND, "serve", "--model", weights, "--socket", tmp_path / "s.sock", "--threads", "1"],
        # Not from the checkout, which may lack the compiled kernel that the installed package has.
        stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert process.stderr.readline().startswith("loading ")
        assert process.stderr.readline() == f"serving at {tmp_path / 's.sock'}; Ctrl-C stops it\n"
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(60) in (0, 130)
    assert not (tmp_path / "s.sock").exists()


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    def serpent(*words: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words], capture_output=True, text=True, timeout=240, cwd=tmp_path,
            env=environment, **more,
        )  # fmt: skip

    return serpent


@pytest.fixture
def album(tmp_path: Path, photo: NDArray[np.uint8]) -> Path:
    folder = tmp_path / "album"
    (folder / "deeper").mkdir(parents=True)
    for name in ("a.png", "b.jpg", "deeper/c.webp"):
        Image.fromarray(photo[:40, :50]).save(folder / name)
    (folder / "broken.png").write_bytes(b"")
    return folder


def test_the_same_as_without_a_server(
    server: Any, run: Run, album: Path, weights: Path, tmp_path: Path
) -> None:
    """Bytes of results, sentences of errors, records of --json; and it resumes."""
    common = ("deblur", "-r", "album", "--model", weights, "--json", "--strength", "0.7")
    alone, served = run(*common, "-o", "alone"), run(*common, "-o", "served", "--server")
    assert (served.returncode, alone.returncode) == (1, 1), served.stderr
    for path in (tmp_path / "alone").rglob("*.*"):
        if not path.name.startswith("."):
            assert (tmp_path / "served" / path.relative_to(tmp_path / "alone")).read_bytes() == (
                path.read_bytes()
            )
    records = [[json.loads(line) for line in done.stdout.splitlines()] for done in (alone, served)]
    for mine, yours in zip(*records, strict=True):
        for each in (mine, yours):
            each.pop("seconds")
        yours["output"] = str(yours.get("output")).replace("served", "alone")
        mine["output"] = str(mine.get("output"))
        assert mine == yours
    again = run(*common, "-o", "served", "--server")
    summary = json.loads(again.stdout.splitlines()[-1])
    assert (summary["skipped"], summary["failed"]) == (3, 1)
    # Errors of the command line, with their own codes.
    picture = album / "a.png"
    for words, code in (
        (("--region", "90,90,5,5", "-f"), 2), (("--max-pixels", "10", "-f"), 1),
        (("--device", "cpu"), 2), (("--dry-run",), 2), (("--model", "nothing"), 4),
    ):  # fmt: skip
        model = () if "--model" in words else ("--model", weights)
        mine = run("deblur", picture, *model, *words, "--server")
        assert mine.returncode == code, mine.stderr
        if code == 1 or "--region" in words:
            assert (
                mine.stderr.splitlines()[-2:]
                == (run("deblur", picture, *model, *words).stderr.splitlines()[-2:])
            )


def test_a_pipeline(server: Any, run: Run, album: Path, weights: Path, tmp_path: Path) -> None:
    command = [*COMMAND, "deblur", "-", "--model", weights, "-q"]
    with (album / "b.jpg").open("rb") as source:
        alone = subprocess.run(command, stdin=source, capture_output=True, timeout=240)
    with (album / "b.jpg").open("rb") as source:
        served = subprocess.run(
            [*command, "--server"], stdin=source, capture_output=True, timeout=240,
            env=os.environ | {"SERPENT_SERVER": str(tmp_path / "s.sock")},
        )  # fmt: skip
    assert served.stderr == b""
    assert alone.stdout == served.stdout


def test_a_killed_worker_loses_nothing(
    server: Any, run: Run, weights: Path, environment: dict[str, str], tmp_path: Path,
    photo: NDArray[np.uint8],
) -> None:  # fmt: skip
    (tmp_path / "trip").mkdir()
    for number in range(4):
        Image.fromarray(np.tile(photo, (3, 3, 1))).save(tmp_path / "trip" / f"{number}.png")
    with subprocess.Popen(
        [*COMMAND, "deblur", "trip", "--model", weights, "--server"], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()  # one is done, two are under way
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
        if not children.exists():
            pytest.skip("no /proc to find the worker in")
        os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
        _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert len(list((tmp_path / "trip_deblurred").glob("*.png"))) == 4


def test_no_server(run: Run, album: Path) -> None:
    done = run("deblur", album / "a.png", "--server")
    assert done.returncode == 5
    assert done.stderr.splitlines()[0].startswith("error: no server answers at ")
    assert done.stderr.splitlines()[1] == "hint: start one: serpent serve"


LIGHT = """
import sys
from serpent_cli.cli.app import main
try:
    main(sys.argv[1:])
finally:
    heavy = {"torch", "numpy", "PIL", "rich", "uvicorn", "starlette", "huggingface_hub"}
    print("loaded:", sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


def test_the_client_loads_nothing_heavy(
    server: Any, album: Path, weights: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, "deblur", album / "a.png", "--model", weights, "--server"],
        capture_output=True, text=True, env=environment, timeout=240,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == "loaded: []", done.stderr
    assert (album / "a_deblurred.png").is_file()


def test_a_second_server_is_refused(server: Any, run: Run, weights: Path, tmp_path: Path) -> None:
    time.sleep(0.1)
    done = run("serve", "--socket", tmp_path / "s.sock", "--model", weights)
    assert done.returncode == 1
    assert "a server is already running at" in done.stderr
