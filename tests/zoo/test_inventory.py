"""What is here: bundled weights, those in the Hub's cache that are ours, and none of others."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from serpent_cli.errors import ModelError
from serpent_cli.training.export import write_card
from serpent_cli.zoo import hub_cache, inventory, locate
from serpent_cli.zoo.card import Card, sha256
from serpent_cli.zoo.inventory import Entry
from serpent_cli.zoo.names import HubReference

MakeWeights = Callable[..., Path]
COMMIT = "0123456789" * 4
PINNED = HubReference("someone/sharp", COMMIT, "tiny.safetensors")
NAME = "hf://someone/sharp/tiny.safetensors"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the client's cache; not there yet."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    # What scans the cache took the name over when it was loaded.
    monkeypatch.setattr("huggingface_hub.utils._cache_manager.HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture
def fetched(make_weights: MakeWeights, tmp_path: Path) -> Path:
    """Weights with their card in the cache, as after a download of the branch main."""
    weights = make_weights()
    hub_cache.place_card(PINNED, weights.with_suffix(".json").read_bytes())
    partial = Path(shutil.copy(weights, tmp_path / "whole.part"))
    path = hub_cache.place_weights(PINNED, partial, sha256(weights))
    hub_cache.note_revision(HubReference("someone/sharp"), COMMIT)
    assert not partial.exists()
    return path


def cached() -> list[Entry]:
    return [each for each in inventory.inventory() if each.place == "cached"]


def test_without_a_cache_there_are_the_bundled_ones() -> None:
    found = inventory.inventory()
    assert [each.name for each in found] == [card.name for card in locate.list_cards()]
    assert {each.place for each in found} == {"bundled"}
    assert all(each.whole() for each in found if each.name == "deblur")


def test_what_was_fetched_is_listed_by_its_name_on_the_hub(fetched: Path) -> None:
    (found,) = cached()
    assert found == Entry(NAME, Card.read(fetched.with_suffix(".json")), fetched, bundled=False)
    assert found.whole()
    assert hub_cache.find_cached(HubReference.parse(found.name)) == fetched
    blob = fetched.resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    assert not cached()[0].whole()


def test_a_revision_without_a_branch_goes_by_its_commit(fetched: Path, cache: Path) -> None:
    refs = cache / "models--someone--sharp" / "refs"
    (refs / "main").rename(refs / "v2")
    assert [each.name for each in cached()] == ["hf://someone/sharp@v2/tiny.safetensors"]
    (refs / "v2").unlink()
    (found,) = cached()
    assert HubReference.parse(found.name) == PINNED
    assert found.path == fetched


@pytest.mark.parametrize("card", [None, b"{}", b'{"name": "bert"}'], ids=["none", "empty", "other"])
def test_others_files_are_not_ours(fetched: Path, card: bytes | None) -> None:
    shown = fetched.with_suffix(".json")
    shown.unlink()
    if card is not None:
        shown.write_bytes(card)
    assert cached() == []


def test_registered_weights_are_on_the_hub_until_they_are_fetched(
    fetched: Path, make_weights: MakeWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_weights("sharp").with_suffix(".json")
    monkeypatch.setattr(locate, "weights_folder", lambda: path.parent)
    for hub, place in (("hf://someone/else", "on the Hub"), (NAME, "cached")):
        write_card(dataclasses.replace(Card.read(path), hub=hub), path)
        found = next(each for each in inventory.inventory() if each.name == "sharp")
        assert found.place == place
        assert found.whole() == (place == "cached")


def test_removed_weights_are_gone_and_their_bytes_counted(fetched: Path, cache: Path) -> None:
    sizes = sum(each.stat().st_size for each in (cache.rglob("blobs/*")))
    assert inventory.remove(NAME) == sizes
    assert cached() == []
    assert not list(cache.rglob("blobs/*"))
    with pytest.raises(ModelError, match="is not in the cache"):
        inventory.remove(NAME)


def test_only_what_was_fetched_is_removed(fetched: Path, make_weights: MakeWeights) -> None:
    own = make_weights("own")
    for name in ("deblur", str(own)):
        with pytest.raises(ModelError, match="is not in the cache: it is") as caught:
            inventory.remove(name)
        assert caught.value.hint == "only fetched weights are removed"
    assert own.is_file()
    assert fetched.is_file()


def test_a_card_that_is_there_is_not_written_again(fetched: Path) -> None:
    card = fetched.with_suffix(".json")
    content, before = card.read_bytes(), card.stat()
    assert hub_cache.place_card(PINNED, content) == card
    assert card.stat() == before
    other = content.replace(b"Only for tests", b"Another one")
    assert hub_cache.place_card(PINNED, other) == card
    assert card.read_bytes() == other


def test_a_branch_means_its_latest_commit(fetched: Path, cache: Path) -> None:
    branch, latest = HubReference("someone/sharp"), COMMIT[::-1]
    hub_cache.note_revision(branch, latest)
    assert (cache / "models--someone--sharp" / "refs" / "main").read_text() == latest
    hub_cache.note_revision(PINNED, COMMIT)  # a commit means itself
    assert [each.name for each in (cache / "models--someone--sharp" / "refs").iterdir()] == ["main"]


def test_where_there_are_no_links_files_are_copied(
    fetched: Path, make_weights: MakeWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    other = make_weights("other", scale=2)
    partial = Path(shutil.copy(other, tmp_path / "other.part"))
    pinned = dataclasses.replace(PINNED, file="deep/other.safetensors")
    shown = hub_cache.place_weights(pinned, partial, sha256(other))
    assert not shown.is_symlink()
    assert shown.read_bytes() == other.read_bytes()
    assert sorted(each.name for each in shown.parent.iterdir()) == ["other.safetensors"]
