"""The Hub's cache on this machine, as its client lays it out.

    models--OWNER--REPO/  blobs/DIGEST  snapshots/COMMIT/FILE → ../../blobs/DIGEST  refs/BRANCH

No name in it comes from a server: digests are those of the content, commits are checked, and the
rest is what the user wrote.
"""

import hashlib
import os
import shutil
from pathlib import Path

from serpent_cli.version import DISTRIBUTION
from serpent_cli.whole_files import replacing
from serpent_cli.zoo.names import HubReference


def find_cached(reference: HubReference) -> Path | None:
    """The file of weights in the local cache; never asks the network."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(reference.repo, reference.file, revision=reference.revision)
    return Path(found) if isinstance(found, str) else None


def partial_path(digest: str) -> Path:
    """Where a file lies while it is not whole: the part of the cache that libraries may use.

    Args:
        digest: Its sha256, 64 hexadecimal digits.
    """
    from huggingface_hub import cached_assets_path

    folder = cached_assets_path(DISTRIBUTION, namespace="weights", subfolder="partial")
    return Path(folder) / f"{digest}.part"


def place_weights(pinned: HubReference, partial: Path, digest: str) -> Path:
    """Move a verified file into the cache; returns it there."""
    blob = _folder(pinned) / "blobs" / digest
    blob.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(partial, blob)
    return _shown(pinned, pinned.file, blob)


def place_card(pinned: HubReference, content: bytes) -> Path:
    """Write a card into the cache, if it is not there; returns it there."""
    digest = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # git's, as its ETag
    blob = _folder(pinned) / "blobs" / digest
    shown = _snapshot(pinned, pinned.card_file)
    if shown.is_file() and shown.read_bytes() == content:
        return shown
    blob.parent.mkdir(parents=True, exist_ok=True)
    with replacing(blob, force=True) as stream:
        stream.write(content)
    return _shown(pinned, pinned.card_file, blob)


def note_revision(reference: HubReference, commit: str) -> None:
    """Let a branch or tag mean a commit from now on, as the client's cache notes it."""
    if reference.revision == commit:
        return
    path = _folder(reference) / "refs" / reference.revision
    if path.is_file() and path.read_text() == commit:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, force=True) as stream:
        stream.write(commit.encode())


def _snapshot(pinned: HubReference, file: str) -> Path:
    return _folder(pinned) / "snapshots" / pinned.revision / file


def _shown(pinned: HubReference, file: str, blob: Path) -> Path:
    """Show a blob under its name in a commit; a copy where the system has no links."""
    shown = _snapshot(pinned, file)
    shown.parent.mkdir(parents=True, exist_ok=True)
    part = shown.with_name(f".{shown.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        part.symlink_to(os.path.relpath(blob, shown.parent))
    except (OSError, NotImplementedError):
        shutil.copyfile(blob, part)
    os.replace(part, shown)
    return shown


def _folder(pinned: HubReference) -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.file_download import repo_folder_name

    return Path(HF_HUB_CACHE) / repo_folder_name(repo_id=pinned.repo, repo_type="model")
