"""What a run has done: a file of lines that outlives a kill, so that the next run goes on.

One JSON object per line, only ever appended. A line `{"run": ...}` says with which options the
results after it were made; every other line is one result. A result's line is on the disk before
its file shows under its name: a file without its line was not made by us, and a line counts only
if the file is there and has the digest that the line gives.
"""

import hashlib
import io
import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self

from filelock import FileLock, Timeout

from serpent_cli.batch.naming import Job
from serpent_cli.batch.places import Standard, exists, file_digest, identity, noted
from serpent_cli.batch.records import Beginning, Odd, Record, is_blank, read_line
from serpent_cli.errors import PictureError, UsageError, reason_of
from serpent_cli.filenames import json_text
from serpent_cli.version import __version__
from serpent_cli.whole_files import alone_with

_GLANCE = 2**20  # bytes in which a manifest must have shown itself as one

NAME = ".serpent.jsonl"
"""What it is called in a folder of results."""


@dataclass(frozen=True)
class ManifestSettings:
    """Where a run notes its results, and what with.

    Attributes:
        path: The file on this machine; None for no manifest, or a forgotten one.
        options: What decides the results.
        plan: What this machine adds.
        shared: A picture alone is noted there, beside what other runs note; see `notes`.
        replaces: Results of ours that are out of date may be replaced: their names are ours, too.
        folder: The local folder of all results; None if there is not one.
    """

    path: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    plan: Mapping[str, Any] = field(default_factory=dict[str, Any])
    shared: bool = False
    replaces: bool = True
    folder: Path | None = None


class ManifestLike(Protocol):
    """What files ask and tell a manifest, wherever it is kept; see `Manifest`."""

    def concerned(self, job: Job) -> bool:
        """Whether it may know a job, or will be told of it."""
        ...

    def find(self, job: Job, input_digest: str) -> Record | None:
        """The finished result of a job."""
        ...

    def made(self, job: Job) -> bool:
        """Whether the file at a job's target is a result of ours."""
        ...

    def add(self, job: Job, input_digest: str, output_digest: str, **facts: Any) -> None:
        """Note a result that is complete and not yet visible."""
        ...


class Manifest:
    """The results in one folder, and the lock that keeps a second run out of it.

    Args:
        path: The file; made if it does not exist.
        options: What decides the results: a run with others does them anew.
        plan: What this machine adds, such as the memory to plan with; see `plan`.
        read_only: Only look at what is there: nothing is made, locked or written.

    Raises:
        UsageError: Another run works with the same file, or it is no manifest.
        PictureError: It cannot be read or written.
    """

    def __init__(
        self,
        path: Path,
        options: Mapping[str, Any],
        plan: Mapping[str, Any] | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        self.path = path
        self.run = options_digest(options)
        self._lock, self._writing = FileLock(f"{path}.lock"), threading.Lock()
        self._records: dict[str, Record] = {}
        self._written: dict[str, set[str]] = {}
        self._models: dict[str, str] = {}
        self._options = dict(options)
        self.plan: dict[str, Any] = dict(plan or {})
        """As of the first run with these options: a resumed run plans alike."""
        self._new = 0  # bytes that it began with, where it was not there before
        self.unread = 0
        """Lines that are damaged, or not ours; torn ones are no wonder after a kill."""
        _check_regular(path)
        if read_only:
            self._stream: BinaryIO = io.BytesIO(path.read_bytes() if path.is_file() else b"")
            self._load()
            return
        new = not exists(path)
        self._stream = self._locked()
        try:
            if not self._load():
                self._append(self._beginning())
            self._new = self._stream.seek(0, os.SEEK_END) if new else 0
        except BaseException:
            self.close()
            raise

    def _beginning(self) -> dict[str, Any]:
        return {
            "run": self.run, "version": __version__, "options": self._options, "plan": self.plan,
        }  # fmt: skip

    def _locked(self) -> BinaryIO:
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            return self.path.open("a+b", buffering=0)
        except Timeout:
            raise UsageError(
                f"another run is at work in {folder}",
                hint="wait until it has ended, or give another -o",
            ) from None
        except OSError as error:
            self._lock.release()
            raise PictureError(
                f"cannot use {self.path}: {reason_of(error)}", hint="choose another folder"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file and its lock; a file that is new and holds no result is removed."""
        # While nobody else can begin with it, or add to it.
        if self._new and not self._stream.closed:
            with alone_with(self._stream):
                if self._stream.seek(0, os.SEEK_END) == self._new:
                    for path in (self.path, Path(self._lock.lock_file)):
                        with suppress(OSError):
                            path.unlink()
        self._stream.close()
        self._lock.release()

    def concerned(self, job: Job) -> bool:
        """All jobs of its run are noted."""
        return True

    def find(self, job: Job, input_digest: str) -> Record | None:
        """The finished result of a job: same options, same input, and an untouched output."""
        record = self._records.get(self._key(job))
        if record is None or record.run != self.run or record.input_digest != input_digest:
            return None
        if isinstance(job.target, Standard):
            return None
        unchanged = exists(job.target) and record.output_digest == file_digest(job.target)
        return record if unchanged else None

    def made(self, job: Job) -> bool:
        """Whether the file at a job's target is a result of ours that nobody has changed."""
        written = self._written.get(self._key(job))
        if not written or isinstance(job.target, Standard):
            return False
        return exists(job.target) and file_digest(job.target) in written

    def model_of(self, path: Path) -> str | None:
        """Name of the model whose unchanged result a picture is; None if it is none."""
        record = self._records.get(self._key(Job(path, path)))
        if record is None or not path.is_file() or file_digest(path) != record.output_digest:
            return None
        return self._models.get(record.run, "")

    def add(self, job: Job, input_digest: str, output_digest: str, **facts: Any) -> None:
        """Note a result that is complete and not yet visible.

        Args:
            job: What it was made from.
            input_digest: Of what was read.
            output_digest: Of the file to be.
            facts: `width`, `height`, `tiles`, `seconds`, `warnings` of the record.
        """
        record = Record(
            noted(job.source), self._key(job), self.run, input_digest, output_digest, **facts
        )
        self._append(asdict(record))
        self._keep(record)

    def _keep(self, record: Record) -> None:
        self._records[record.output] = record
        self._written.setdefault(record.output, set()).add(record.output_digest)

    def _key(self, job: Job) -> str:
        if not isinstance(job.target, Path):
            return noted(job.target)
        target, folder = identity(job.target), identity(self.path.parent)
        return target.relative_to(folder).as_posix() if folder in target.parents else str(target)

    def _load(self) -> bool:
        """Read what is there; returns whether these options were used before."""
        self._stream.seek(0)
        content = self._stream.read(_GLANCE)
        ours = (not isinstance(read_line(line), Odd) for line in content.split(b"\n"))
        if not is_blank(content) and not any(ours):
            raise UsageError(
                f"{self.path} is not a manifest",
                hint="nothing was written to it; name another file with --manifest",
            )
        content += self._stream.read()
        known = False
        for line in content.split(b"\n"):
            entry = read_line(line)
            if isinstance(entry, Record):
                self._keep(entry)
            elif entry is Odd.OTHER:
                self.unread += 1
            elif isinstance(entry, Beginning):
                self._models[entry.run] = entry.model
                if entry.run == self.run and not known:
                    known, self.plan = True, dict(entry.plan or self.plan)
        if content and not content.endswith(b"\n"):  # killed while it wrote its last line
            self._write(b"\n")
        return known

    def _append(self, entry: dict[str, Any]) -> None:
        line = json_text(entry).encode() + b"\n"
        with self._writing:
            try:
                self._write(line)
            except OSError as error:
                raise PictureError(
                    f"cannot note it in {self.path}: {reason_of(error)}",
                    hint="make room, or choose another place with --manifest",
                ) from error

    def _write(self, line: bytes) -> None:
        """Append a line, whole or not at all, so that it is on the disk."""
        if isinstance(self._stream, io.BytesIO):
            self._stream.seek(0, os.SEEK_END)
            self._stream.write(line)
        else:
            append(self._stream, line)


def append(stream: BinaryIO, line: bytes) -> None:
    """Append a line, whole or not at all, so that it is on the disk.

    Args:
        stream: A file opened for appending, unbuffered; others may append to it at the same time.
        line: What to append, with its end.

    Raises:
        OSError: The disk refuses.
    """
    with alone_with(stream):
        end = stream.seek(0, os.SEEK_END)
        try:
            left = memoryview(line)
            while left:
                left = left[stream.write(left) :]
            os.fsync(stream.fileno())
        except OSError:
            with suppress(OSError):
                stream.truncate(end)
            raise


def _check_regular(path: Path) -> None:
    """Refuse what is there and is no regular file, before anything is made beside it."""
    if exists(path) and not path.is_file():
        raise UsageError(
            f"the manifest {path} is no regular file",
            hint="name a file that is not there yet with --manifest",
        )


def options_digest(options: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits that change with any of the options."""
    text = json.dumps(dict(options), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
