"""The program as the system sees it: start-up, signals, pipes."""

import functools
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import serpent_cli

Serpent = Callable[..., Any]
Model = tuple[str, Path]
COMMAND = [sys.executable, "-m", "serpent_cli"]


def test_help_is_quick_and_names_every_command(serpent_process: Serpent) -> None:
    serpent_process("--help")  # bytecode is compiled once
    seconds: list[float] = []
    for _ in range(3):
        begun = time.perf_counter()
        outcome = serpent_process("--help")
        seconds.append(time.perf_counter() - begun)
    assert min(seconds) < 1.0
    assert (outcome.code, outcome.err) == (0, [])
    for command in ("deblur", "upscale", "models", "train", "eval", "doctor"):
        assert any(line.split()[:1] == [command] for line in outcome.out), command


@pytest.mark.parametrize("command", ["deblur", "upscale"])
def test_help_shows_examples(command: str, serpent_process: Serpent) -> None:
    outcome = serpent_process(command, "-h")
    assert outcome.code == 0
    examples = outcome.out[outcome.out.index("  Examples:") + 1 :]
    assert any(line.strip().startswith(f"serpent {command} ") for line in examples)


def test_torch_is_prepared_before_it_loads(serpent_process: Serpent) -> None:
    lines = serpent_process("doctor", env={}).out
    assert any("GOMP_SPINCOUNT=10000" in line for line in lines)


def test_the_version_is_the_package_s(serpent_process: Serpent) -> None:
    assert serpent_process("--version").out == [f"serpent {serpent_cli.__version__}"]


def test_the_shell_completes_commands_and_options(serpent_process: Serpent) -> None:
    def completions(*words: str) -> list[str]:
        asked = {
            "_SERPENT_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
        }
        return serpent_process(env=asked).out

    assert completions("serpent", "deb") == ["deblur"]
    assert "--max-memory" in completions("serpent", "deblur", "--max")
    assert "complete" in "".join(serpent_process(env={"_SERPENT_COMPLETE": "source_zsh"}).out)


def test_a_run_asks_no_network_and_shows_no_progress_outside_a_terminal(
    serpent_process: Serpent, model: Model, photo_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\n"
        "def refuse(*args, **options): raise RuntimeError('no network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
    )
    paths = {"PYTHONPATH": f"{tmp_path}:{Path(serpent_cli.__file__).parents[1]}"}
    code = "import socket; socket.getaddrinfo('localhost', 80)"
    refused = subprocess.run([sys.executable, "-c", code], capture_output=True, env=paths)
    assert b"no network" in refused.stderr, "the test itself works"
    outcome = serpent_process("deblur", photo_file, *model, env=paths)
    assert (outcome.code, outcome.err) == (0, [])
    assert outcome.out == [str(photo_file.with_name("cup_deblurred.png"))]


def test_exit_codes_reach_the_system(serpent_process: Serpent) -> None:
    serpent_process("deblur", "none.png").failed(3, "none.png")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_termination_leaves_nothing_half_written(
    name: str, model: Model, photo_file: Path, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    large = tmp_path / "large.png"
    Image.fromarray(np.tile(photo, (30, 30, 1))).save(large, compress_level=1)
    out = tmp_path / "out"
    args = ["deblur", photo_file, large, *model, "-o", out, "--tile", "64", "--threads", "1"]
    # Under nohup these tests would hand on that a hangup is to be ignored, and serpent obeys.
    heard = functools.partial(signal.signal, signal.Signals[name], signal.SIG_DFL)
    with subprocess.Popen(
        [*COMMAND, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heard,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == f"{out / 'cup.png'}\n"
        time.sleep(0.3)
        assert process.poll() is None, "still at work on the large picture"
        process.send_signal(signal.Signals[name])
        rest, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.Signals[name]
    assert rest == ""
    said = errors.splitlines()
    assert [line.split()[0] for line in said] == ["loading", "1/2"], "no word about the end"
    left = {path.name for path in out.iterdir() if not path.name.startswith(".serpent.jsonl")}
    assert left == {"cup.png"}


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_reader_that_has_gone_is_no_drama() -> None:
    with subprocess.Popen(
        [*COMMAND, "--version"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
    assert errors == ""
    assert process.returncode in (0, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="streams are closed as POSIX has it")
@pytest.mark.parametrize(
    ("closed", "words", "code", "said"),
    [
        (1, ("models", "list"), 1, "error: standard output is closed"),
        (1, ("--help",), 1, "error: standard output is closed"),
        (0, ("deblur", "@-"), 2, "error: no picture is named"),
        (2, ("deblur", "none.png"), 3, ""),
    ],
)
def test_a_standard_stream_that_is_closed(
    closed: int, words: tuple[str, ...], code: int, said: str
) -> None:
    """The next file that is opened would get its number."""
    streams = {0: "stdin", 1: "stdout", 2: "stderr"}
    del streams[closed]
    done = subprocess.run(
        [*COMMAND, *words], preexec_fn=lambda: os.close(closed), timeout=60, text=True,
        **dict.fromkeys(streams.values(), subprocess.PIPE),
    )  # fmt: skip
    assert done.returncode == code
    assert (done.stderr or "").startswith(said)
    assert "Traceback" not in (done.stderr or "")


SLOW = """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
time.sleep(0.1)
raise SystemExit(7)
"""
AT_THE_END = """
import atexit, os, signal
from serpent_cli import __main__ as entry
from serpent_cli.cli import app
atexit.register(os.kill, os.getpid(), signal.SIGINT)
app.main = lambda: None
entry.main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("while_it", ["loads", "ends", "is ignored"])
def test_an_interruption_before_and_after_all_work_is_quiet(while_it: str, tmp_path: Path) -> None:
    if while_it != "ends":
        (tmp_path / "typer.py").write_text(SLOW)  # in place of the first thing that is loaded
    paths = os.pathsep.join([str(tmp_path), str(Path(serpent_cli.__file__).parents[1])])
    command = [sys.executable, "-c", AT_THE_END] if while_it == "ends" else [*COMMAND, "--version"]
    wanted = signal.SIG_IGN if while_it == "is ignored" else signal.default_int_handler
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": paths},
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, wanted),
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == (7 if while_it == "is ignored" else 130)


def test_little_is_loaded_before_an_interruption_is_heard() -> None:
    code = "import sys; import serpent_cli.__main__; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(serpent_cli.__file__).parents[1])},
    )  # fmt: skip
    assert "typing" not in done.stdout.split()
    assert "serpent_cli.cli" not in done.stdout.split()


def test_the_installed_command_begins_where_the_module_does() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"serpent": "serpent_cli.__main__:main"}
