"""Where results are noted, and where earlier notes are looked for.

A run of several pictures has the manifest of its folder to itself. A picture alone only adds its
line to it, so that many such runs, side by side or beside a long one, do not get in each other's
way; where that cannot be done, its result is there all the same. What was done before is also known
from the manifests in a result's own folder and above it: the same picture may have been restored
alone, with others, or in a tree.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from serpent_cli.batch.manifest import NAME, Manifest, ManifestSettings, append
from serpent_cli.batch.naming import Job, Naming, results_folder
from serpent_cli.batch.places import Place, exists, identity
from serpent_cli.batch.records import Record
from serpent_cli.batch.sources import Sources
from serpent_cli.errors import SerpentError
from serpent_cli.filenames import json_text


def noting_of(
    sources: Sources,
    jobs: Sequence[Job],
    output: Place | None,
    naming: Naming,
    demanded: Path | None = None,
) -> ManifestSettings:
    """Where the results of these sources are noted; a folder of its own is made for no note.

    Args:
        sources: What is to be restored.
        jobs: The same with their targets.
        output: As for `name_targets`.
        naming: How the results are called.
        demanded: The manifest that the user names.
    """
    folder = results_folder(sources, output, naming)
    named, target, shared = output is not None, jobs[0].target, False
    if folder is None and not sources.several and isinstance(target, Path):
        shared, beside = True, target.parent
        folder = None if named and not os.path.isfile(beside / NAME) else beside
    if demanded is not None:
        return ManifestSettings(demanded, folder=folder)
    path = None if folder is None else folder / NAME
    return ManifestSettings(path, shared=shared, replaces=not (shared and named), folder=folder)


class SharedManifest(Manifest):
    """A manifest that others may add to meanwhile; read once, and locked only for a new line.

    Args:
        settings: See `Manifest`; with a path.

    Raises:
        SerpentError: It is no manifest, or cannot be read.
    """

    def __init__(self, settings: ManifestSettings) -> None:
        assert settings.path is not None
        super().__init__(settings.path, settings.options, settings.plan, read_only=True)

    def _append(self, entry: dict[str, Any]) -> None:
        begun = self.run in self._models
        entries = [entry] if begun else [self._beginning(), entry]
        lines = b"".join(json_text(each).encode() + b"\n" for each in entries)
        # Whoever may not write there has restored a picture, and only says so again next time.
        with suppress(OSError):
            if not self._appended(lines):
                self._appended(lines)
            self._models.setdefault(self.run, "")

    def _appended(self, lines: bytes) -> bool:
        """Append lines; False where a run that noted nothing has removed the file meanwhile."""
        with self.path.open("a+b", buffering=0) as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, end - 1))
            torn = stream.read(1) not in (b"", b"\n")
            append(stream, b"\n" * torn + lines)
            return os.fstat(stream.fileno()).st_nlink > 0


class Notes:
    """A `ManifestLike` of a run: its own manifest, if it has one, and what lies around its results.

    Args:
        settings: Of the manifest.
        read_only: Nothing is made, locked or written.

    Raises:
        UsageError: Another run works with the same file, or it is no manifest.
        PictureError: It cannot be read or written.
    """

    def __init__(self, settings: ManifestSettings, *, read_only: bool = False) -> None:
        self._settings = settings
        self._own = _own(settings, read_only=read_only)
        # Those around the results, as they are at first sight.
        self._around: dict[Path, Manifest | None] = {}
        if settings.path is not None:  # it is asked first
            self._around[identity(settings.path)] = None

    @property
    def plan(self) -> dict[str, Any]:
        """What the machine adds to the options: that of the first run with these."""
        return dict(self._settings.plan) if self._own is None else self._own.plan

    @property
    def unread(self) -> int:
        """Lines of the run's manifest that do not count."""
        return 0 if self._own is None or self._settings.shared else self._own.unread

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the manifest and its lock."""
        if self._own is not None:
            self._own.close()

    def concerned(self, job: Job) -> bool:
        """Whether there is a manifest to note it in, or something that may have been noted."""
        return self._own is not None or exists(job.target)

    def find(self, job: Job, input_digest: str) -> Record | None:
        """The finished result of a job: same options, same input, and an untouched output."""
        for each in self.near(job.target, above=True):
            if (found := each.find(job, input_digest)) is not None:
                return found
        return None

    def made(self, job: Job) -> bool:
        """Whether the file at a job's target is a result of ours that may be replaced."""
        asked = self.near(job.target) if self._settings.replaces else ()
        return any(each.made(job) for each in asked)

    def add(self, job: Job, input_digest: str, output_digest: str, **facts: Any) -> None:
        """Note a result that is complete and not yet visible; see `Manifest.add`."""
        if self._own is not None:
            self._own.add(job, input_digest, output_digest, **facts)

    def near(self, target: Place, *, above: bool = False) -> Iterator[Manifest]:
        """The run's manifest, and that in a target's folder, where there are any.

        Args:
            target: What was or will be written.
            above: Whether those above that folder are asked for, too.
        """
        if self._own is not None:
            yield self._own
        if isinstance(target, Path):
            folder = identity(target).parent
            for each in (folder, *folder.parents) if above else (folder,):
                if (found := self._at(each / NAME)) is not None:
                    yield found

    def _at(self, path: Path) -> Manifest | None:
        if path not in self._around:
            self._around[path] = None
            with suppress(SerpentError, OSError):
                if path.is_file():
                    self._around[path] = Manifest(path, self._settings.options, read_only=True)
        return self._around[path]


def _own(settings: ManifestSettings, *, read_only: bool) -> Manifest | None:
    if settings.path is None:
        return None
    if not settings.shared:
        return Manifest(settings.path, settings.options, settings.plan, read_only=read_only)
    with suppress(SerpentError, OSError):
        return SharedManifest(settings)
    return None
