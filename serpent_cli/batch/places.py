"""Where pictures lie: local files, URLs of any file system that fsspec knows, standard streams."""

import functools
import glob
import hashlib
import io
import os
import posixpath
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from serpent_cli.errors import PictureError, SerpentError, UsageError, reason_of

_PACKAGES = {
    "http": "aiohttp", "https": "aiohttp", "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs",
    "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs", "sftp": "paramiko", "ssh": "paramiko",
    "smb": "smbprotocol", "dropbox": "dropboxdrivefs", "oci": "ocifs",
}  # fmt: skip
"""What fsspec needs beside itself to open URLs of a scheme."""
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")  # two letters or more: C:/ is a drive
_LOCAL = re.compile(r"(?:file|local)://", re.IGNORECASE)
_CHUNK = 2**20


@dataclass(frozen=True)
class Remote:
    """A file or folder named by a URL such as s3://bucket/cat.png.

    Attributes:
        url: As the user wrote it, without a final slash.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last part of its path, without a query."""
        return posixpath.basename(self._path())

    @property
    def suffix(self) -> str:
        """The name's suffix, with the dot."""
        return posixpath.splitext(self.name)[1]

    @property
    def system(self) -> Any:
        """The file system that holds it.

        Raises:
            UsageError: No file system goes by the scheme, or its package is not installed.
        """
        return _system(self.url)[0]

    @property
    def path(self) -> str:
        """Its path as the file system writes it."""
        return _system(self.url)[1]

    @property
    def public(self) -> str:
        """The URL without what may be secret: a user's name and password, and a query."""
        scheme, rest = self.url.split("://", 1)
        if scheme.lower() in ("http", "https"):
            rest = re.split(r"[?#]", rest, maxsplit=1)[0]
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"

    def below(self, relative: str) -> "Remote":
        """The place at a relative path under this folder."""
        return Remote(f"{self.url.rstrip('/')}/{relative}")

    def _path(self) -> str:
        rest = self.url.split("://", 1)[1]
        return rest.split("?")[0] if self.url.startswith(("http://", "https://")) else rest


@dataclass(frozen=True)
class Standard:
    """Standard input where a picture is read, standard output where one is written."""

    name: str = "-"
    suffix: str = ""

    def __str__(self) -> str:
        return "-"


Place = Path | Remote | Standard


def parse_place(text: str) -> Place:
    """What a word on the command line means: `-`, a URL, or else a path, as what file:// names."""
    if text == "-":
        return Standard()
    if found := _LOCAL.match(text):
        return Path(text[found.end() :])
    return Remote(text.rstrip("/")) if _SCHEME.match(text) else Path(text)


def noted(place: Place) -> str:
    """How a place is written down for later: as it was named, without secrets of a URL."""
    return place.public if isinstance(place, Remote) else str(place)


def join(folder: Path | Remote, relative: str) -> Path | Remote:
    """The place at a relative path (with forward slashes) under a folder."""
    return folder.below(relative) if isinstance(folder, Remote) else folder / relative


def exists(place: Place) -> bool:
    """Whether a file or folder is there; standard streams never are.

    Raises:
        PictureError: The file system of a URL cannot be asked.
    """
    if isinstance(place, Standard):
        return False
    if isinstance(place, Path):
        with _disk_errors(place):
            return place.exists()
    with remote_errors(place):
        return bool(place.system.exists(place.path))


def is_folder(place: Place) -> bool:
    """Whether it is an existing folder, or anything below such a URL.

    Raises:
        PictureError: The file system cannot be asked.
    """
    if isinstance(place, Remote):
        with remote_errors(place):
            return bool(place.system.isdir(place.path))
    with _disk_errors(place):
        return isinstance(place, Path) and place.is_dir()


def identity(path: Path) -> Path:
    """A path as another to the same file has it too; a link in a circle stays as it is."""
    return Path(os.path.realpath(path))


def expand(pattern: str) -> list[Place]:
    """Places that match a pattern with *, ? or [...]; ** reaches into folders; sorted by name."""
    place = parse_place(pattern)
    if isinstance(place, Remote):
        with remote_errors(place):
            scheme = pattern.split("://", 1)[0]
            found: list[str] = place.system.glob(place.path)
            hidden = posixpath.basename(pattern).startswith(".")
            named = [path for path in sorted(found) if hidden or "/." not in f"/{path}"]
            return [Remote(_with_scheme(scheme, path)) for path in named]
    return [Path(name) for name in sorted(glob.glob(str(place), recursive=True))]


def fetch(place: Place, limit: int | None = None) -> BinaryIO:
    """The whole content as a stream in memory that goes by the place's name.

    Args:
        place: A URL, standard input, or a pipe that has a path.
        limit: Most bytes that there is memory for; None for any number.

    Raises:
        PictureError: It cannot be fetched, or is larger.
    """
    if isinstance(place, Standard):
        return _read_whole(sys.stdin.buffer, "standard input", limit)
    if isinstance(place, Path):
        with _disk_errors(place), place.open("rb") as stream:
            return _read_whole(stream, str(place), limit)
    with remote_errors(place), place.system.open(place.path, "rb") as stream:
        return _read_whole(stream, str(place), limit)


def _read_whole(stream: BinaryIO, name: str, limit: int | None) -> BinaryIO:
    content = _Named(name)
    while chunk := stream.read(_CHUNK):
        content.write(chunk)
        if limit is not None and content.tell() > limit:
            raise PictureError(
                f"cannot read {name}: it is larger than the {limit} bytes that there is memory for",
                hint="raise --max-memory, or save it as a file first",
            )
    content.seek(0)
    return content


def change_mark(place: Place) -> str:
    """What changes with a file: a local one's sha256, the ETag or the date and size at a URL.

    Raises:
        PictureError: It cannot be read.
    """
    if isinstance(place, Remote):
        with remote_errors(place):
            return f"ukey:{place.system.ukey(place.path)}"
    return "" if isinstance(place, Standard) else file_digest(place)


def file_digest(place: Path | Remote) -> str:
    """sha256 of a file's content; a remote one is fetched for it.

    Raises:
        PictureError: It cannot be read.
    """
    if isinstance(place, Remote):
        with remote_errors(place), place.system.open(place.path, "rb") as stream:
            return stream_digest(stream)
    try:
        with place.open("rb") as stream:
            return stream_digest(stream)
    except OSError as error:
        raise PictureError(
            f"cannot read {place}: {reason_of(error)}", hint="check the name and the folder"
        ) from error


def stream_digest(stream: BinaryIO) -> str:
    """sha256 of a stream from its beginning, as `sha256:` and hexadecimal digits."""
    stream.seek(0)
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


class _Named(io.BytesIO):
    """Bytes in memory that error messages call by a name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


@contextmanager
def remote_errors(place: Remote) -> Generator[None]:
    """Turn what a file system raises into one sentence."""
    try:
        yield
    except SerpentError:
        raise
    except FileNotFoundError as error:
        raise PictureError(f"there is no {place}", hint="check the spelling of the URL") from error
    except Exception as error:  # clients of storage services share no base class
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise PictureError(
            f"cannot reach {place}: {reason}", hint="check the network and the credentials"
        ) from error


@contextmanager
def _disk_errors(place: Place) -> Generator[None]:
    """Turn what the system says of a name that it cannot look up into one sentence."""
    try:
        yield
    except OSError as error:
        raise PictureError(
            f"cannot look for {place}: {reason_of(error)}", hint="check the name"
        ) from error


@functools.lru_cache(maxsize=1024)
def _system(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    try:
        return url_to_fs(url)
    except (ImportError, ValueError) as error:
        scheme = url.split("://", 1)[0]
        missing = isinstance(error, ImportError)
        raise UsageError(
            f"cannot open {url}: {error}",
            hint=_package_hint(scheme) if missing
            else "known are https://, s3://, gs:// and what else fsspec lists",
        ) from error  # fmt: skip


def _package_hint(scheme: str) -> str:
    """What to type so that URLs of a scheme can be opened."""
    package = _PACKAGES.get(scheme)
    if package is None:
        return f"install the package that fsspec needs for {scheme}://"
    other = f"; or fetch it: curl {scheme}://... | serpent ... -" if "http" in scheme else ""
    return f"pip install {package}{other}"


def _with_scheme(scheme: str, path: str) -> str:
    return path if _SCHEME.match(path) else f"{scheme}://{path.lstrip('/')}"
