"""The command line with the real client, and what the small Hub holds for it."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from serpent_cli.zoo.card import Card
from serpent_cli.zoo.locate import weights_folder

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2  # of Linux


def bundled(name: str, stem: str = "model") -> dict[str, bytes]:
    """Files of a repository: bundled weights and their card."""
    card = Card.read(weights_folder() / f"{name}.json")
    content = (weights_folder() / card.file).read_bytes()
    text = replace(card, file=f"{stem}.safetensors").to_json()
    return {f"{stem}.safetensors": content, f"{stem}.json": text.encode()}


@pytest.fixture
def weights() -> dict[str, bytes]:
    """A repository that deblurs."""
    return bundled("deblur")


@pytest.fixture
def enlarger_files() -> dict[str, bytes]:
    """A repository that enlarges."""
    return bundled("upscale-x2")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of the client's cache."""
    return tmp_path / "hf"


@dataclass(frozen=True)
class Outcome:
    """What a command did: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    def failed(self, code: int, *words: str) -> None:
        """Assert: this exit code, one sentence and its hint, which hold these words."""
        assert self.code == code, self
        lines = [each for each in self.err.splitlines() if not each.startswith("loading ")]
        assert [line.split(":")[0] for line in lines] == ["error", "hint"], self.err
        for word in words:
            assert word in self.err


Serpent = Callable[..., Outcome]


@pytest.fixture
def environment(hub: Any, home: Path) -> dict[str, str]:
    """Variables of a process whose Hub is the small one."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "SERPENT_"))}
    return {**kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1"}  # fmt: skip


def bow_to_permissions() -> None:
    """In a child that will be root: take away what lets root write where nobody may."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "prctl")


@pytest.fixture
def serpent(environment: dict[str, str]) -> Serpent:
    """Run the command line with the real client and the small Hub."""

    def run(*words: str | Path, bowing: bool = False, **more: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "serpent_cli", *map(str, words)],
            env={**environment, **more}, capture_output=True, text=True, timeout=120,
            preexec_fn=bow_to_permissions if bowing else None,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run
