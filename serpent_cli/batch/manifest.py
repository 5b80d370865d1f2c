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
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self, cast

from filelock import FileLock, Timeout

from serpent_cli.batch.naming import Job
from serpent_cli.batch.places import Standard, exists, file_digest, identity
from serpent_cli.errors import PictureError, UsageError
from serpent_cli.filenames import json_text
from serpent_cli.imaging.write import part_stem
from serpent_cli.version import __version__

NAME = ".serpent.jsonl"
"""What it is called in a folder of results."""


@dataclass(frozen=True)
class Record:
    """One result as its line says it.

    Attributes:
        input: The picture, as the run was told.
        output: The result; relative to the manifest's folder if it lies below it.
        run: Digest of the options, weights included.
        input_digest: As `places.change_mark` gives it.
        output_digest: sha256 of the result, as `sha256:` and hexadecimal digits.
        width: Output pixels per row.
        height: Output rows.
        tiles: Tiles it was restored in.
        seconds: Seconds of work.
        warnings: What could not be kept.
    """

    input: str
    output: str
    run: str
    input_digest: str
    output_digest: str
    width: int = 0
    height: int = 0
    tiles: int = 0
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ManifestTerms:
    """Arguments of `Manifest`.

    Attributes:
        path: The file on this machine; None for no manifest, or a forgotten one.
        options: What decides the results.
        plan: What this machine adds.
    """

    path: Path | None
    options: Mapping[str, Any]
    plan: Mapping[str, Any]


class Ledger(Protocol):
    """What files ask and tell a manifest, wherever it is kept; see `Manifest`."""

    def find(self, job: Job, input_digest: str) -> Record | None:
        """The finished result of a job."""
        ...

    def made(self, job: Job) -> bool:
        """Whether the file at a job's target is a result of ours."""
        ...

    def add(self, job: Job, input_digest: str, output_digest: str, **facts: Any) -> None:
        """Note a result that is complete and not yet visible."""
        ...


_PART = re.compile(r"\.(.+)\.[0-9a-f]{12}\.part")


class Manifest:
    """The results in one folder, and the lock that keeps a second run out of it.

    Args:
        path: The file; made if it does not exist.
        options: What decides the results: a run with others does them anew.
        plan: What this machine adds, such as the memory to plan with; see `plan`.
        read_only: Only look at what is there: nothing is made, locked or written.

    Raises:
        UsageError: Another run works with the same file.
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
        self.plan: dict[str, Any] = dict(plan or {})
        """As of the first run with these options: a resumed run plans alike."""
        if read_only:
            self._stream: BinaryIO = io.BytesIO(path.read_bytes() if path.is_file() else b"")
            self._load()
            return
        self._stream = self._locked()
        if not self._load():
            self._append({"run": self.run, "version": __version__, "options": dict(options),
                          "plan": self.plan})  # fmt: skip

    def _locked(self) -> BinaryIO:
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            return self.path.open("a+b")
        except Timeout:
            raise UsageError(
                f"another run is at work in {folder}",
                hint="wait until it has ended, or give another -o",
            ) from None
        except OSError as error:
            self._lock.release()
            raise PictureError(
                f"cannot use {self.path}: {error.strerror or error}", hint="choose another folder"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file and its lock."""
        self._stream.close()
        self._lock.release()

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

    def add(self, job: Job, input_digest: str, output_digest: str, **facts: Any) -> None:
        """Note a result that is complete and not yet visible.

        Args:
            job: What it was made from.
            input_digest: Of what was read.
            output_digest: Of the file to be.
            facts: `width`, `height`, `tiles`, `seconds`, `warnings` of the record.
        """
        record = Record(
            str(job.source), self._key(job), self.run, input_digest, output_digest, **facts
        )
        self._append(asdict(record))
        self._keep(record)

    def _keep(self, record: Record) -> None:
        self._records[record.output] = record
        self._written.setdefault(record.output, set()).add(record.output_digest)

    def _key(self, job: Job) -> str:
        if not isinstance(job.target, Path):
            return str(job.target)
        target, folder = identity(job.target), identity(self.path.parent)
        return target.relative_to(folder).as_posix() if folder in target.parents else str(target)

    def _load(self) -> bool:
        """Read what is there; returns whether these options were used before."""
        self._stream.seek(0)
        known, content = False, self._stream.read()
        for line in content.splitlines():
            entry = _parsed(line)
            if "options" in entry and entry.get("run") == self.run and not known:
                known, self.plan = True, dict(entry.get("plan") or self.plan)
            elif "output_digest" in entry:
                entry["warnings"] = tuple(entry["warnings"])
                self._keep(Record(**entry))
        if content and not content.endswith(b"\n"):  # killed while it wrote its last line
            self._stream.write(b"\n")
        return known

    def _append(self, entry: dict[str, Any]) -> None:
        line = json_text(entry).encode() + b"\n"
        with self._writing:
            self._stream.write(line)
            self._stream.flush()
            os.fsync(self._stream.fileno())


def sweep(jobs: Iterable[Job]) -> None:
    """Remove what a killed run left beside the targets of jobs; it must be known to be dead."""
    targets = [job.target for job in jobs if isinstance(job.target, Path)]
    names = {part_stem(target) for target in targets}
    for folder in {target.parent for target in targets if target.parent.is_dir()}:
        for path in folder.glob(".*.part"):
            found = _PART.fullmatch(path.name)
            if found and found[1] in names:
                path.unlink(missing_ok=True)


def sweep_if_free(path: Path, jobs: Iterable[Job]) -> None:
    """Do that if no run has the manifest at a path; a run that follows does it anyway."""
    try:
        with FileLock(f"{path}.lock", timeout=0):
            sweep(jobs)
    except (Timeout, OSError):
        return


def options_digest(options: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits that change with any of the options."""
    text = json.dumps(dict(options), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _parsed(line: bytes) -> dict[str, Any]:
    """A line's object; empty if it was torn or is not ours."""
    try:
        # Lines of earlier versions hold the bytes of such names as they are.
        entry: Any = json.loads(line.decode("utf-8", "surrogateescape"))
    except ValueError:
        return {}
    if not isinstance(entry, dict):
        return {}
    found = cast(dict[str, Any], entry)
    whole = "options" in found or set(found) == set(Record.__dataclass_fields__)
    return found if whole else {}
