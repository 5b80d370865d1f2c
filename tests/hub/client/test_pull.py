"""`serpent models pull` with the real client: what can go wrong, and that the cache survives it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NAME = "hf://someone/sharp"
REPO = "someone/sharp"
CDN = "/cdn/"
Serpent = Callable[..., Any]
Files = dict[str, bytes]


@pytest.fixture
def shelf(hub: Any, weights: Files) -> Any:
    """The Hub with one repository."""
    hub.commit(REPO, weights)
    return hub


def whole(serpent: Serpent) -> bool:
    """Whether the cache can be used, and holds what its card describes."""
    done = serpent("models", "verify", NAME)
    return done.code == 0 and done.out.startswith("ok")


def heals(serpent: Serpent, shelf: Any) -> bool:
    """Whether everything works again once the Hub does."""
    shelf.faults.clear()
    return serpent("models", "pull", NAME).code == 0 and whole(serpent)


def partial(home: Path) -> list[int]:
    """Sizes of the files that are kept although they are not whole."""
    return [path.stat().st_size for path in home.rglob("*.part")]


def test_the_first_pull_fetches_and_the_second_finds(
    serpent: Serpent, shelf: Any, home: Path, photo_file: Path, weights: Files
) -> None:
    done = serpent("models", "pull", NAME)
    assert done.code == 0, done.err
    assert "is verified, at" in done.err
    fetched = len(shelf.asked(CDN))
    assert fetched >= 2, "in ranges"
    assert serpent("models", "pull", NAME).code == 0
    assert len(shelf.asked(CDN)) == fetched
    path = Path(serpent("models", "path", NAME).out.strip())
    assert path.read_bytes() == weights["model.safetensors"]
    assert home in path.parents
    asked = len(shelf.log)
    target = photo_file.with_name("out.png")
    done = serpent("deblur", photo_file, "--model", NAME, "-o", target)
    assert (done.code, target.is_file()) == (0, True), done.err
    assert len(shelf.log) == asked, "what is cached is used without the network"
    listed = [json.loads(line) for line in serpent("models", "list", "--json").out.splitlines()]
    assert {"name": NAME, "task": "deblur", "scale": 1, "place": "cached"} in listed
    assert not partial(home)


def test_a_name_on_the_hub_is_fetched_when_it_is_used(
    serpent: Serpent, shelf: Any, photo_file: Path
) -> None:
    target = photo_file.with_name("out.png")
    assert serpent("deblur", photo_file, "--model", NAME, "-o", target).code == 0
    assert target.is_file()
    assert whole(serpent)


def test_a_dropped_connection_is_resumed_by_the_next_run(
    serpent: Serpent, shelf: Any, home: Path, weights: Files
) -> None:
    size = len(weights["model.safetensors"])
    shelf.fail(CDN, drop=0.3, after=1, times=1)
    shelf.fail(CDN, status=403)
    outcome = serpent("models", "pull", NAME)
    assert outcome.code == 4
    assert "the Hub does not let you read someone/sharp (403)" in outcome.err
    kept = partial(home)
    assert len(kept) == 1
    assert 0 < kept[0] < size
    shelf.faults.clear()
    shelf.log.clear()
    assert serpent("models", "pull", NAME).code == 0
    assert shelf.asked(CDN)[0].startswith(f"bytes={kept[0]}-")
    assert whole(serpent)
    assert not partial(home)


def test_other_bytes_are_set_aside(serpent: Serpent, shelf: Any, home: Path) -> None:
    shelf.fail(CDN, wrong=True)
    serpent("models", "pull", NAME).failed(4, "sent other bytes", "sha256 differs", ".wrong")
    serpent("models", "path", NAME, "--offline").failed(4, "is not on this machine")
    shelf.faults.clear()
    assert serpent("models", "pull", NAME).code == 0
    assert whole(serpent)


def test_a_card_of_another_file_is_noticed_before_the_download(
    serpent: Serpent, shelf: Any, weights: Files
) -> None:
    shelf.commit(REPO, {"model.safetensors": weights["model.safetensors"] + b"?"})
    serpent("models", "pull", NAME).failed(4, "not the file that its card describes")
    assert not shelf.asked(CDN)


def test_a_branch_that_has_moved(
    serpent: Serpent, shelf: Any, weights: Files, enlarger_files: Files
) -> None:
    first = shelf.heads[REPO]
    assert serpent("models", "pull", NAME).code == 0
    shelf.commit(REPO, enlarger_files)
    path = Path(serpent("models", "path", NAME).out.strip())
    assert path.read_bytes() == weights["model.safetensors"], "until it is pulled again"
    assert serpent("models", "pull", NAME).code == 0
    path = Path(serpent("models", "path", NAME).out.strip())
    assert path.read_bytes() == enlarger_files["model.safetensors"]
    path = Path(serpent("models", "path", f"{NAME}@{first}", "--offline").out.strip())
    assert path.read_bytes() == weights["model.safetensors"]


def test_a_private_repository(serpent: Serpent, shelf: Any) -> None:
    shelf.token = "hf_secret"
    serpent("models", "pull", NAME).failed(4, "no repository someone/sharp", "private", "HF_TOKEN")
    assert serpent("models", "pull", NAME, HF_TOKEN="hf_secret").code == 0
    assert shelf.asked(CDN)
    assert not shelf.leaked, "the token stays with the Hub"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hf://someone/blunt", "no repository someone/blunt"),
        (f"{NAME}@v9", "no revision v9"),
        (f"{NAME}/other.safetensors", "no file other.safetensors"),
        (f"{NAME}/model.bin", "names no .safetensors file"),
        ("hf://someone", "not a name on the Hub"),
    ],
)
def test_what_is_not_there(serpent: Serpent, shelf: Any, name: str, words: str) -> None:
    serpent("models", "pull", name).failed(4, words)
    assert not shelf.asked(CDN)


def test_a_gated_repository(serpent: Serpent, shelf: Any) -> None:
    shelf.fail("/resolve/", method="HEAD", status=403, code="GatedRepo")
    serpent("models", "pull", NAME).failed(4, "is gated", "accept its terms")
    assert heals(serpent, shelf)


def test_too_many_requests_are_tried_again(serpent: Serpent, shelf: Any) -> None:
    shelf.fail(CDN, status=429, times=1)
    assert serpent("models", "pull", NAME).code == 0
    assert whole(serpent)


def test_too_many_requests_for_good(serpent: Serpent, shelf: Any) -> None:
    shelf.fail("/resolve/", method="HEAD", status=429)
    serpent("models", "pull", NAME).failed(4, "fewer requests (429)", "wait a while")
    assert heals(serpent, shelf)


def test_a_hub_in_trouble(serpent: Serpent, shelf: Any) -> None:
    shelf.fail("/resolve/", method="HEAD", status=500)
    serpent("models", "pull", NAME).failed(4, "has trouble (500)", "run it again")
    assert heals(serpent, shelf)


def test_a_slow_hub(serpent: Serpent, shelf: Any) -> None:
    shelf.fail(CDN, slow=4, times=1)
    assert serpent("models", "pull", NAME, HF_HUB_DOWNLOAD_TIMEOUT="1").code == 0
    assert whole(serpent)


def test_a_full_disk(serpent: Serpent, shelf: Any, home: Path, weights: Files) -> None:
    shelf.fail(CDN, status=403)
    assert serpent("models", "pull", NAME).code == 4
    part = next(home.rglob("*.part"))
    part.unlink()
    part.symlink_to("/dev/full")
    shelf.faults.clear()
    serpent("models", "pull", NAME).failed(4, "disk that holds the cache is full", "make room")
    part.unlink()
    assert serpent("models", "pull", NAME).code == 0
    assert whole(serpent)


def test_a_cache_that_cannot_be_written(serpent: Serpent, shelf: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    done = serpent("models", "pull", NAME, HF_HOME=str(tmp_path / "file" / "hf"))
    done.failed(4, "cannot write to the cache", "set HF_HOME")


@pytest.mark.skipif(sys.platform != "linux", reason="root bows to permissions on Linux only")
def test_a_cache_that_is_read_only_still_serves(
    serpent: Serpent, shelf: Any, home: Path, photo_file: Path, enlarger_files: Files
) -> None:
    assert serpent("models", "pull", NAME).code == 0
    shelf.commit("someone/large", enlarger_files)
    folders = [path for path in (home, *home.rglob("*")) if path.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    try:
        done = serpent("models", "pull", "hf://someone/large", bowing=True)
        done.failed(4, "cannot write to the cache", "Permission denied", "set HF_HOME")
        assert serpent("models", "verify", NAME, bowing=True).out.startswith("ok")
        assert serpent("models", "pull", NAME, bowing=True).code == 0, "there is nothing to write"
        target = photo_file.with_name("out.png")
        words = ("deblur", photo_file, "--model", NAME, "-o", target)
        assert serpent(*words, bowing=True).code == 0
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert serpent("models", "pull", "hf://someone/large").code == 0


def test_two_processes_at_once(
    environment: dict[str, str], serpent: Serpent, shelf: Any, home: Path
) -> None:
    shelf.fail(CDN, slow=0.5)
    command = [sys.executable, "-m", "serpent_cli", "models", "pull", NAME]
    both = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert len(shelf.asked(CDN)) == len(set(shelf.asked(CDN))), "each range was fetched once"
    assert whole(serpent)
    assert not partial(home)


def test_no_network(serpent: Serpent, shelf: Any, photo_file: Path) -> None:
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    serpent("models", "pull", NAME, **nowhere).failed(4, "cannot reach the Hub", "network")
    target = photo_file.with_name("out.png")
    assert serpent("deblur", photo_file, "-o", target, **nowhere).code == 0, "bundled"
    assert serpent("models", "pull", NAME).code == 0
    words = ("deblur", photo_file, "-o", target, "--force", "--model", NAME)
    assert serpent(*words, **nowhere).code == 0, "cached"


@pytest.mark.parametrize("how", ["option", "variable"])
def test_offline(serpent: Serpent, shelf: Any, photo_file: Path, how: str) -> None:
    option = ["--offline"] if how == "option" else []
    variable = {} if how == "option" else {"HF_HUB_OFFLINE": "1"}
    target = photo_file.with_name("out.png")
    words = ["deblur", photo_file, "-o", target, "--model"]
    done = serpent(*words, NAME, *option, **variable)
    done.failed(4, f"{NAME} is not on this machine", f"serpent models pull {NAME}")
    serpent("models", "pull", NAME, *option, **variable).failed(4, "serpent is offline")
    assert not shelf.log
    assert serpent(*words, "deblur", *option, **variable).code == 0
    assert serpent("models", "pull", NAME).code == 0
    assert serpent(*words, NAME, "--force", *option, **variable).code == 0


def test_proxies_are_the_clients_own(serpent: Serpent, shelf: Any) -> None:
    behind = {"HF_ENDPOINT": "http://hub.invalid", "HTTP_PROXY": shelf.url, "NO_PROXY": ""}
    done = serpent("models", "pull", NAME, **behind)
    assert done.code == 0, done.err
    assert shelf.asked(CDN)
    serpent("models", "pull", NAME, **behind | {"HTTP_PROXY": "http://127.0.0.1:9"}).failed(
        4, "cannot reach the Hub", "proxy"
    )
