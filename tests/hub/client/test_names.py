"""What names mean, what is in the cache, and what is never opened."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serpent_cli.zoo.card import Card

NAME = "hf://someone/sharp"
Serpent = Callable[..., Any]
Files = dict[str, bytes]


def test_both_forms_are_told_for_what_is_neither(serpent: Serpent, photo_file: Path) -> None:
    for name in ("someone/sharp", "deblurr", "sharp.safetensors"):
        done = serpent("deblur", photo_file, "--model", name)
        done.failed(4, ".safetensors", "hf://owner/repo")
    assert "did you mean deblur" in serpent("deblur", photo_file, "--model", "deblurr").err


def test_further_names_come_from_a_repository_of_the_users(
    serpent: Serpent, hub: Any, weights: Files, photo_file: Path
) -> None:
    files = {name.replace("model", "fine"): content for name, content in weights.items()}
    files["fine.json"] = files["fine.json"].replace(b"model.safetensors", b"fine.safetensors")
    hub.commit("team/models", files)
    variable = {"SERPENT_HUB_REPO": "team/models"}
    assert serpent("models", "pull", "fine", **variable).code == 0
    target = photo_file.with_name("out.png")
    done = serpent("deblur", photo_file, "--model", "fine", "-o", target, "--offline", **variable)
    assert (done.code, target.is_file()) == (0, True), done.err
    serpent("models", "pull", "dull", **variable).failed(4, "no file dull.safetensors")
    serpent("models", "pull", "fine").failed(4, "there is no model named 'fine'")


PINNED = """
import sys
from pathlib import Path
from serpent_cli.zoo import locate
locate.weights_folder = lambda: Path(sys.argv[1])
from serpent_cli.cli.app import main
main(sys.argv[2:])
"""


def test_a_registered_card_pins_what_is_fetched(
    hub: Any, environment: dict[str, str], weights: Files, enlarger_files: Files, tmp_path: Path
) -> None:
    commit = hub.commit("someone/sharp", weights)
    hub.commit("someone/sharp", enlarger_files)
    card = json.loads(weights["model.json"]) | {"name": "sharp", "hub": f"{NAME}@{commit}"}
    (tmp_path / "sharp.json").write_text(json.dumps(card))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", PINNED, str(tmp_path), *words],
            env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    assert "on the Hub" in run("models", "list").stdout
    assert run("models", "pull", "sharp").returncode == 0
    path = Path(run("models", "path", "sharp", "--offline").stdout.strip())
    assert path.read_bytes() == weights["model.safetensors"]
    assert "cached" in run("models", "list").stdout
    # Another digest in the registered card: what the Hub has is not it, whatever its own card says.
    (tmp_path / "sharp.json").write_text(json.dumps(card | {"sha256": "0" * 64}))
    done = run("models", "pull", "sharp")
    assert done.returncode == 4
    assert "not the file that its card describes" in done.stderr


def test_a_pull_request_is_a_revision(
    serpent: Serpent, hub: Any, weights: Files, enlarger_files: Files, photo_file: Path
) -> None:
    hub.refs["someone/sharp", "refs/pr/1"] = hub.commit("someone/sharp", weights)
    hub.commit("someone/sharp", enlarger_files)  # main is another one
    name = f"{NAME}@refs/pr/1"
    done = serpent("models", "pull", name)
    assert done.code == 0, done.err
    path = Path(serpent("models", "path", name, "--offline").out.strip())
    assert path.read_bytes() == weights["model.safetensors"]
    target = photo_file.with_name("out.png")
    done = serpent("deblur", photo_file, "--model", name, "-o", target, "--offline")
    assert (done.code, target.is_file()) == (0, True), done.err
    assert serpent("models", "rm", name).code == 0
    serpent("models", "pull", f"{NAME}@refs/pr/2").failed(4, "has no revision refs/pr/2")


def test_verify_and_rm(serpent: Serpent, hub: Any, weights: Files) -> None:
    hub.commit("someone/sharp", weights)
    assert serpent("models", "pull", NAME).code == 0
    path = Path(serpent("models", "path", NAME).out.strip()).resolve()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    done = serpent("models", "verify")
    assert done.code == 4
    assert f"WRONG  {NAME}" in done.out
    assert "ok  deblur" in done.out
    assert "serpent models rm NAME, then pull" in done.err
    assert serpent("models", "rm", NAME).code == 0
    assert not path.exists()
    serpent("models", "rm", NAME).failed(4, "is not in the cache")
    serpent("models", "rm", "deblur").failed(4, "only fetched weights are removed")
    assert serpent("models", "pull", NAME).code == 0
    assert serpent("models", "verify", NAME).out.startswith("ok")


def test_wrong_bytes_in_the_cache_are_not_used_and_a_pull_heals_them(
    serpent: Serpent, hub: Any, weights: Files, photo_file: Path
) -> None:
    hub.commit("someone/sharp", weights)
    assert serpent("models", "pull", NAME).code == 0
    path = Path(serpent("models", "path", NAME).out.strip()).resolve()
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    serpent("deblur", photo_file, "--model", NAME).failed(4, "sha256 differs")
    assert serpent("models", "pull", NAME).code == 0
    assert serpent("models", "verify", NAME).code == 0


class Trap:
    """Pickled, it writes a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return Path.touch, (self.path,)  # pyright: ignore[reportReturnType]


def test_a_pickle_is_never_opened(
    serpent: Serpent, hub: Any, weights: Files, photo_file: Path, tmp_path: Path
) -> None:
    trace = tmp_path / "opened"
    content = pickle.dumps(Trap(trace))
    pickle.loads(content)
    assert trace.is_file(), "the trap works"
    trace.unlink()
    import hashlib

    card = Card.from_json(weights["model.json"].decode())
    text = weights["model.json"].replace(
        card.sha256.encode(), hashlib.sha256(content).hexdigest().encode()
    )
    hub.commit("someone/trap", {"model.safetensors": content, "model.json": text})
    for words in (["models", "pull"], ["models", "verify"], ["models", "info"], ["models", "path"]):
        serpent(*words, "hf://someone/trap")
    done = serpent("deblur", photo_file, "--model", "hf://someone/trap")
    done.failed(4, "safetensors")
    local = tmp_path / "local.safetensors"
    local.write_bytes(content)
    serpent("models", "info", local).failed(4, "safetensors")
    assert not trace.exists()
