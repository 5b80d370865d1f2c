"""Weights from the Hugging Face Hub: fetched once, verified, and then used from its cache.

huggingface_hub's connection speaks to the Hub, by its own variables for endpoint, token, proxy and
cache. The file of weights comes range by range: its part outlives a failure, and it enters the
cache when its sha256 has been verified, not before. A server is believed nothing: what it calls a
digest or a commit must be one, and what it sends is bounded by what it has stated and by us. The
library's hf_hub_download would make a file's name of the ETag, whatever it is, read without end,
and throw away what had come when a connection breaks.
"""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from serpent_cli.errors import ModelError
from serpent_cli.settings import is_offline
from serpent_cli.zoo.card import CARD_BYTES, Card, sha256
from serpent_cli.zoo.hub_cache import (
    find_cached,
    note_revision,
    partial_path,
    place_card,
    place_weights,
)
from serpent_cli.zoo.hub_errors import hub_errors
from serpent_cli.zoo.hub_requests import AGENT, address, download, download_range
from serpent_cli.zoo.names import HubReference

CHUNK = 2**20
"""Bytes that are asked for at once, and lost at most when a process dies."""

WEIGHT_BYTES = 8 * 2**30
"""Largest file that is fetched: thousands of times the bundled weights."""

OnBytes = Callable[[int, int], None]
"""Called with (bytes here, bytes in all)."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def fetch(
    reference: HubReference, expected: str | None = None, on_bytes: OnBytes | None = None
) -> Path:
    """Bring weights and their card into the local cache, or see that they are there.

    Args:
        reference: What to fetch; a branch is looked up anew.
        expected: sha256 that the file must have; None for what its card on the Hub says, or, where
            it has none, the Hub itself.
        on_bytes: Told of the progress.

    Returns:
        The file in the cache; its card, if it has one, is beside it.

    Raises:
        ModelError: Offline, no such repository, revision or file, a network or disk that fails, a
            server that contradicts itself, or a file that is not the expected one. What had come
            by then is kept.
    """
    if is_offline():
        raise ModelError(
            f"{reference} is not on this machine, and serpent is offline",
            hint=fetching_hint(str(reference)),
        )
    with hub_errors(reference) as part:
        commit, size, digest = _stated(reference)
        pinned = replace(reference, revision=commit)
        card = _fetch_card(pinned)
        wanted = expected or (card.sha256 if card else digest)
        if wanted != digest:
            raise ModelError(
                f"{reference} is not the file that its card describes (sha256 differs)",
                hint="tell its author, or name a @revision that is whole",
            )
        path = find_cached(pinned)
        if path is None or sha256(path) != wanted:
            part.path = partial_path(wanted)
            path = _fetch_weights(pinned, part.path, wanted, size, on_bytes)
        note_revision(reference, pinned.revision)
    return path


def fetching_hint(name: str) -> str:
    """The command that would fetch a name."""
    return f"with a network: serpent models pull {name}"


def _stated(reference: HubReference) -> tuple[str, int, str]:
    """Commit, size and sha256 of a file as the Hub states them now."""
    from huggingface_hub import get_hf_file_metadata

    said = get_hf_file_metadata(address(reference, reference.file), **AGENT)
    if not _COMMIT.fullmatch(said.commit_hash or ""):
        raise _nonsense(reference, "no commit")
    if not _SHA256.fullmatch(said.etag or ""):
        raise ModelError(
            f"the Hub names no sha256 for {reference.file} of {reference.repo}",
            hint="weights that `serpent models push` has uploaded have one",
        )
    if not 0 < (said.size or 0) <= WEIGHT_BYTES:
        lack = f"no size for {reference.file} between 1 and {WEIGHT_BYTES} bytes"
        raise _nonsense(reference, lack)
    assert said.commit_hash is not None
    assert said.etag is not None
    assert said.size is not None
    return said.commit_hash, said.size, said.etag


def _nonsense(reference: HubReference, lack: str) -> ModelError:
    return ModelError(
        f"the Hub's answer about {reference.repo} cannot be used: it names {lack}",
        hint="check HF_ENDPOINT; or tell the repository's author",
    )


def _fetch_card(pinned: HubReference) -> Card | None:
    """The card of the weights; None if the repository has none."""
    from huggingface_hub.errors import RemoteEntryNotFoundError

    try:
        content = download(pinned, pinned.card_file, CARD_BYTES)
    except RemoteEntryNotFoundError:
        return None
    return Card.read(place_card(pinned, content))


def _fetch_weights(
    pinned: HubReference, partial: Path, digest: str, size: int, on_bytes: OnBytes | None
) -> Path:
    """Go on with a partial file until it is whole, verify it, and put it into the cache."""
    from filelock import FileLock

    with FileLock(f"{partial}.lock"):
        path = find_cached(pinned)  # another process may just have done it
        if path is not None and sha256(path) == digest:
            return path
        _download(pinned, partial, size, on_bytes or (lambda done, total: None))
        if sha256(partial) != digest:
            wrong = partial.with_suffix(".wrong")
            os.replace(partial, wrong)
            raise ModelError(
                f"the Hub sent other bytes for {pinned.file} of {pinned.repo} than it announced"
                " (sha256 differs)",
                hint=f"try again; what came was set aside as {wrong}",
            )
        return place_weights(pinned, partial, digest)


def _download(pinned: HubReference, partial: Path, size: int, on_bytes: OnBytes) -> None:
    """Append to a partial file what it lacks."""
    with partial.open("ab") as local:
        if local.tell() > size:
            local.truncate(0)
        done = local.seek(0, os.SEEK_END)
        on_bytes(done, size)
        while done < size:
            stop = min(size, done + CHUNK)
            local.write(download_range(pinned, done, stop))
            local.flush()
            done = stop
            on_bytes(done, size)
        os.fsync(local.fileno())
