"""What lies in a folder: files, and what is passed over or cannot be read, each by name."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serpent_cli.batch.places import Remote, remote_errors
from serpent_cli.errors import reason_of


@dataclass
class Inside:
    """What a folder holds, as paths below it with forward slashes; nothing hidden.

    Attributes:
        files: Regular files.
        links: Linked folders, which are not followed: they may lead anywhere, and round and round.
        special: Pipes, sockets and devices, which may never end.
        lost: What cannot be looked at, and why; the empty path is the folder itself.
    """

    files: list[str] = field(default_factory=list[str])
    links: list[str] = field(default_factory=list[str])
    special: list[str] = field(default_factory=list[str])
    lost: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


def look_inside(folder: Path | Remote, *, recursive: bool) -> Inside:
    """List a folder, with `recursive` the folders in it too; each list is in the order of names.

    Raises:
        PictureError: The file system of a URL cannot be asked.
    """
    found = Inside()
    if isinstance(folder, Remote):
        found.files = [path for path in _remote(folder, recursive) if not _hidden(path)]
    else:
        left = [""]
        while left:
            left += _look(folder, left.pop(), found, recursive)
    for each in (found.files, found.links, found.special, found.lost):
        each.sort()
    return found


def _hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _look(top: Path, below: str, found: Inside, recursive: bool) -> list[str]:
    """Sort what lies directly in a folder; returns the folders to look into."""
    folders: list[str] = []
    try:
        names = [name for name in os.listdir(top / below) if not name.startswith(".")]
    except OSError as error:
        found.lost.append((below, reason_of(error)))
        return folders
    for name in names:
        path = f"{below}/{name}" if below else name
        try:
            mode = os.stat(top / path).st_mode
        except OSError as error:
            found.lost.append((path, reason_of(error)))
            continue
        if stat.S_ISREG(mode):
            found.files.append(path)
        elif not stat.S_ISDIR(mode):
            found.special.append(path)
        elif recursive and os.path.islink(top / path):
            found.links.append(path)
        elif recursive:
            folders.append(path)
    return folders


def _remote(folder: Remote, recursive: bool) -> list[str]:
    with remote_errors(folder):
        top = folder.path.rstrip("/")
        found: dict[str, dict[str, Any]] = folder.system.find(
            top, maxdepth=None if recursive else 1, detail=True
        )
        return [path[len(top) :].lstrip("/") for path in found]
