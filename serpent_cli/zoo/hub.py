"""Weights from the Hugging Face Hub: fetched once, verified, and then used from its cache.

huggingface_hub's client speaks to the Hub, by its own variables for endpoint, token, proxy, cache.
Only the file of weights is brought here by ourselves, range by range: its part outlives a failure,
and it enters the cache when its sha256 has been verified, not before.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from serpent_cli.errors import ModelError
from serpent_cli.settings import is_offline
from serpent_cli.version import __version__
from serpent_cli.zoo.card import Card
from serpent_cli.zoo.digest import sha256
from serpent_cli.zoo.hub_errors import hub_errors
from serpent_cli.zoo.names import HubReference

CHUNK = 2**20
"""Bytes that are asked for at once, and lost at most when a process dies."""

OnBytes = Callable[[int, int], None]
"""Called with (bytes here, bytes in all)."""


def find_cached(reference: HubReference) -> Path | None:
    """The file of weights in the local cache; never asks the network."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(reference.repo, reference.file, revision=reference.revision)
    return Path(found) if isinstance(found, str) else None


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
        ModelError: Offline, no such repository, revision or file, a network or disk that fails, or
            a file that is not the expected one. What had come by then is kept.
    """
    if is_offline():
        raise ModelError(
            f"{reference} is not here, and this is offline", hint=fetching_hint(str(reference))
        )
    with hub_errors(reference) as known:
        pinned = replace(reference, revision=_commit(reference))
        size, digest = _facts(pinned)
        card = _fetch_card(pinned)
        wanted = expected or (card.sha256 if card else digest)
        if wanted != digest:
            raise ModelError(
                f"{reference} is not the file that its card describes (sha256 differs)",
                hint="tell its author, or name a @revision that is whole",
            )
        path = find_cached(pinned)
        if path is None or sha256(path) != wanted:
            known.partial = _partial(wanted)
            path = _fetch_weights(pinned, known.partial, wanted, size, on_bytes)
        _note_revision(reference, pinned.revision)
    return path


def fetching_hint(name: str) -> str:
    """The command that would fetch a name."""
    return f"with a network: serpent models pull {name}"


def _client() -> Any:
    from huggingface_hub import HfApi

    return HfApi(library_name="serpent-cli", library_version=__version__)


def _commit(reference: HubReference) -> str:
    """The commit that a revision is now."""
    return str(_client().model_info(reference.repo, revision=reference.revision).sha)


def _facts(pinned: HubReference) -> tuple[int, str]:
    """Size and sha256 of a file as the Hub states them."""
    found = _client().get_paths_info(pinned.repo, [pinned.file], revision=pinned.revision)
    if not found:
        raise FileNotFoundError(pinned.file)
    if found[0].lfs is None:
        raise ModelError(
            f"the Hub states no sha256 for {pinned.file} of {pinned.repo}",
            hint="weights that `serpent models push` has uploaded have one",
        )
    return int(found[0].size), str(found[0].lfs.sha256)


def _fetch_card(pinned: HubReference) -> Card | None:
    """The card of the weights, by the client's own means; None if the repository has none."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

    try:
        path = hf_hub_download(
            pinned.repo, pinned.card_file, revision=pinned.revision,
            library_name="serpent-cli", library_version=__version__,
        )  # fmt: skip
    except LocalEntryNotFoundError:  # the network failed
        raise
    except RemoteEntryNotFoundError:
        return None
    return Card.read(Path(path))


def _partial(digest: str) -> Path:
    """Where a file lies while it is not whole: the part of the cache that libraries may use."""
    from huggingface_hub import cached_assets_path

    folder = cached_assets_path("serpent-cli", namespace="weights", subfolder="partial")
    return Path(folder) / f"{digest}.part"


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
        return _place(pinned, partial)


def _download(pinned: HubReference, partial: Path, size: int, on_bytes: OnBytes) -> None:
    """Append to a partial file what it lacks."""
    from huggingface_hub import HfFileSystem

    remote = f"{pinned.repo}@{pinned.revision}/{pinned.file}"
    with partial.open("ab") as local:
        if local.tell() > size:
            local.truncate(0)
        done = local.seek(0, os.SEEK_END)
        on_bytes(done, size)
        if done == size:
            return
        with HfFileSystem().open(remote, "rb", cache_type="none") as stream:
            stream.seek(done)
            while done < size:
                chunk = cast(bytes, stream.read(min(CHUNK, size - done)))
                local.write(chunk)
                local.flush()
                done += len(chunk)
                on_bytes(done, size)
        os.fsync(local.fileno())


def _place(pinned: HubReference, partial: Path) -> Path:
    """Move a verified file into the client's cache, where its blobs go by their ETag."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    etag = get_hf_file_metadata(hf_hub_url(pinned.repo, pinned.file, revision=pinned.revision)).etag
    blob = _folder(pinned) / "blobs" / str(etag)
    blob.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(partial, blob)
    return Path(hf_hub_download(pinned.repo, pinned.file, revision=pinned.revision))


def _note_revision(reference: HubReference, commit: str) -> None:
    """Let a branch or tag mean a commit from now on, as the client's cache notes it."""
    if reference.revision == commit:
        return
    path = _folder(reference) / "refs" / reference.revision
    if path.is_file() and path.read_text() == commit:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(commit)
    os.replace(part, path)


def _folder(reference: HubReference) -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.file_download import repo_folder_name

    return Path(HF_HUB_CACHE) / repo_folder_name(repo_id=reference.repo, repo_type="model")
