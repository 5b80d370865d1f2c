"""A server that lies: nothing leaves the cache, nothing is read without end."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serpent_cli.zoo.card import CARD_BYTES, Card

NAME = "hf://someone/sharp"
REPO = "someone/sharp"
Serpent = Callable[..., Any]
Files = dict[str, bytes]


@pytest.fixture
def shelf(hub: Any, weights: Files) -> Any:
    """The Hub with one repository."""
    hub.commit(REPO, weights)
    return hub


def written(folder: Path) -> set[str]:
    """All names below a folder, but for the cache's own bookkeeping."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith("hf/hub/models--someone--sharp/")}


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ({"sha": "../../../../stray"}, "names no commit"),
        ({"sha": "7"}, "names no commit"),
        ({"etag": "../../../../../stray"}, "names no sha256"),
        ({"etag": "A" * 64}, "names no sha256"),
        ({"etag": ""}, "names no sha256"),
        ({"size": str(10**13)}, "names no size"),
        ({"size": "-1"}, "names no size"),
        ({"size": "twelve"}, "names no size"),
    ],
)
def test_what_a_server_states_is_no_path_and_no_number_of_its_own(
    serpent: Serpent, shelf: Any, tmp_path: Path, lie: dict[str, Any], words: str
) -> None:
    shelf.lies = lie
    before = written(tmp_path)
    serpent("models", "pull", NAME).failed(4, words, REPO)
    assert written(tmp_path) == before
    shelf.lies = {}
    assert serpent("models", "pull", NAME).code == 0


def test_an_etag_becomes_no_name(serpent: Serpent, shelf: Any, tmp_path: Path) -> None:
    shelf.lies = {"card": "../../../../../stray"}
    done = serpent("models", "pull", NAME)
    assert done.code == 0, done.err
    assert not [path for path in tmp_path.rglob("*") if path.name == "stray"]
    assert serpent("models", "verify", NAME).out.startswith("ok")


def test_an_overstated_size_ends(
    serpent: Serpent, shelf: Any, weights: Files, tmp_path: Path
) -> None:
    shelf.lies = {"size": str(len(weights["model.safetensors"]) + 1)}
    serpent("models", "pull", NAME).failed(4, "where it had announced")


def test_a_card_without_end_is_not_read(
    serpent: Serpent, shelf: Any, weights: Files, home: Path
) -> None:
    shelf.commit(REPO, {"model.json": weights["model.json"] + b" " * CARD_BYTES})
    serpent("models", "pull", NAME).failed(4, f"sends more than the {CARD_BYTES} bytes")
    assert not list(home.rglob("*.json"))


def test_a_range_that_is_longer_than_asked(serpent: Serpent, shelf: Any) -> None:
    shelf.whole = True
    serpent("models", "pull", NAME).failed(4, "sends more than the 1048576 bytes")


@pytest.mark.parametrize(
    "name",
    [
        "hf://a/b@../model.safetensors",
        "hf://a/b//etc/model.safetensors",
        "hf://a/b/./model.safetensors",
        "hf://a/b/c\\..\\model.safetensors",
        "hf://a/b@..",
    ],
)
def test_names_that_lead_out_of_the_cache(serpent: Serpent, shelf: Any, name: str) -> None:
    serpent("models", "pull", name).failed(4, "names no")
    assert not shelf.log


def test_a_large_card_beside_weights_is_refused(
    serpent: Serpent, tmp_path: Path, weights: Files
) -> None:
    (tmp_path / "w.safetensors").write_bytes(weights["model.safetensors"])
    card = replace(Card.from_json(weights["model.json"].decode()), file="w.safetensors")
    (tmp_path / "w.json").write_text(card.to_json() + " " * CARD_BYTES)
    serpent("models", "info", tmp_path / "w.safetensors").failed(4, "w.json: it has more than")
