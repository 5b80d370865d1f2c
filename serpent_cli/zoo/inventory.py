"""What is here: bundled weights, and those of the Hub's cache that are ours."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serpent_cli.errors import ModelError
from serpent_cli.zoo.card import Card, sha256
from serpent_cli.zoo.hub_cache import find_cached
from serpent_cli.zoo.locate import list_cards, resolve, weights_folder
from serpent_cli.zoo.names import HubReference


@dataclass(frozen=True)
class Entry:
    """Weights that a name stands for.

    Attributes:
        name: How they are named.
        card: What is known about them.
        path: The local file; None if it is yet to be fetched.
        bundled: Whether they came with the program.
    """

    name: str
    card: Card
    path: Path | None
    bundled: bool

    @property
    def place(self) -> str:
        """Where they are: `bundled`, `cached` or `on the Hub`."""
        return "bundled" if self.bundled else "cached" if self.path else "on the Hub"

    def whole(self) -> bool:
        """Whether the local file is the one that the card describes."""
        return (
            self.path is not None and self.path.is_file() and sha256(self.path) == self.card.sha256
        )


def inventory() -> list[Entry]:
    """All weights that can be named, without the network."""
    entries: list[Entry] = []
    for card in list_cards():
        if card.hub:
            path = find_cached(HubReference.parse(card.hub))
            entries.append(Entry(card.name, card, path, bundled=False))
        else:
            entries.append(Entry(card.name, card, weights_folder() / card.file, bundled=True))
    return entries + list(_cached())


def remove(name: str) -> int:
    """Remove the revision that a name means from the cache; returns the bytes set free.

    Raises:
        ModelError: It is bundled, a file of the user's, or not in the cache.
    """
    where = resolve(name).where
    if isinstance(where, Path):
        raise ModelError(
            f"{name} is not in the cache: it is {where}", hint="only fetched weights are removed"
        )
    path = find_cached(where)
    if path is None:
        raise ModelError(f"{name} is not in the cache", hint="`serpent models list` shows what is")
    from huggingface_hub import scan_cache_dir

    for repo in _repositories():
        for revision in repo.revisions:
            if any(file.file_path == path for file in revision.files):
                plan = scan_cache_dir().delete_revisions(revision.commit_hash)
                plan.execute()
                return int(plan.expected_freed_size)
    raise ModelError(f"{name} is not in the cache", hint="`serpent models list` shows what is")


def _repositories() -> list[Any]:
    """Repositories of models in the cache."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repos = scan_cache_dir().repos
    except CacheNotFound:
        return []
    return sorted((r for r in repos if r.repo_type == "model"), key=lambda repo: str(repo.repo_id))


def _cached() -> Iterator[Entry]:
    """Weights in the cache that have a card of ours."""
    for repo in _repositories():
        for revision in sorted(repo.revisions, key=lambda each: str(each.commit_hash)):
            names = ("main",) if "main" in revision.refs else sorted(revision.refs)
            named = names[0] if names else str(revision.commit_hash)
            for file in sorted(revision.files, key=lambda each: str(each.file_path)):
                path = Path(file.file_path)
                card = _card(path)
                if card is not None:
                    inside = path.relative_to(revision.snapshot_path).as_posix()
                    name = str(HubReference(str(repo.repo_id), named, inside))
                    yield Entry(name, card, path, bundled=False)


def _card(path: Path) -> Card | None:
    beside = path.with_suffix(".json")
    if path.suffix != ".safetensors" or not beside.is_file():
        return None
    try:
        return Card.read(beside)
    except ModelError:  # somebody else's file of that name
        return None
