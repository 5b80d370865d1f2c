import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from serpent_cli.cli.app import main


@dataclass(frozen=True)
class Outcome:
    """What a command did: exit code, lines of stdout, lines of stderr; apart those of progress."""

    code: int
    out: list[str]
    err: list[str]
    progress: list[str]

    def failed(self, code: int, words: str) -> None:
        """Assert: this exit code, and exactly one clear sentence that contains these words."""
        assert self.code == code, self.err
        errors = [line for line in self.err if line.lower().startswith("error:")]
        assert len(errors) == 1, self.err
        assert words in errors[0]
        assert not errors[0].startswith("error:") or not errors[0].endswith(".")
        known = ("error:", "hint:", "usage:", "try ")
        assert all(line.lower().startswith(known) for line in self.err if line), self.err
        assert "Traceback" not in "\n".join(self.err)

    @property
    def hint(self) -> str:
        return " ".join(line for line in self.err if line.startswith("hint:"))


PROGRESS = re.compile(r"loading |\d+/\d+ .* in [\d.]+ s$|\d+ pictures? in [\d.]+ (s|min)\b")


def outcome_of(code: int, out: str, err: str) -> Outcome:
    said = err.splitlines()
    progress = [line for line in said if PROGRESS.match(line)]
    return Outcome(code, out.splitlines(), [x for x in said if x not in progress], progress)


Serpent = Callable[..., Outcome]


@pytest.fixture
def serpent(capsys: pytest.CaptureFixture[str]) -> Iterator[Serpent]:
    """Run the command line in this process."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*args: str | Path) -> Outcome:
        with pytest.raises(SystemExit) as end:
            main([str(arg) for arg in args])
        captured = capsys.readouterr()
        code = end.value.code
        assert isinstance(code, int | None)
        return outcome_of(code or 0, captured.out, captured.err)

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def serpent_process() -> Serpent:
    """Run the command line in a process of its own."""

    def run(*args: str | Path, **options: object) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "serpent_cli", *map(str, args)],
            capture_output=True,
            text=True,
            timeout=60,
            **options,  # pyright: ignore
        )
        return outcome_of(done.returncode, done.stdout, done.stderr)

    return run


RECIPE = """
name = "mini"
description = "Only for tests."
[model]
widths = [8, 8, 8, 8]
[degrade]
task = "deblur"
[data]
crop = 16
halo = 8
batch = 2
[optim]
steps = 3
warmup = 1
[log]
every = 1
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe that trains for three steps."""
    path = tmp_path / "mini.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def photos(tmp_path: Path, photo: NDArray[np.uint8]) -> Path:
    """A folder with one small photograph."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(photo[:64, :64]).save(folder / "cup.png")
    return folder


@pytest.fixture
def model(make_weights: Callable[..., Path]) -> tuple[str, Path]:
    """--model and tiny weights that deblur."""
    return "--model", make_weights()


@pytest.fixture
def enlarger(make_weights: Callable[..., Path]) -> tuple[str, Path]:
    """--model and tiny weights that enlarge by 8."""
    return "--model", make_weights("tiny-x8", scale=8)
