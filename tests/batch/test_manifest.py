"""What is done is not done again, and what is not whole does not count."""

import errno
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import BinaryIO

import pytest
from PIL import Image

from serpent_cli.batch import notes
from serpent_cli.batch.manifest import NAME, Manifest, ManifestSettings
from serpent_cli.batch.naming import Job
from serpent_cli.batch.places import change_mark, stream_digest
from serpent_cli.errors import PictureError, UsageError
from serpent_cli.restoration.restorer import Restorer

OPTIONS = {"model": "m", "strength": 1.0}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "in.png").write_bytes(b"input")
    return Job(tmp_path / "in.png", tmp_path / "out" / "in.png")


def manifest(job: Job, options: dict[str, object] | None = None, **more: bool) -> Manifest:
    assert isinstance(job.target, Path)
    return Manifest(job.target.parent / NAME, options or OPTIONS, {"memory": 5}, **more)


def finish(job: Job, content: bytes = b"result", *, visible: bool = True) -> None:
    """A run that does the job, and is killed before the result is visible if it shall not be."""
    assert isinstance(job.target, Path)
    with manifest(job) as known:
        digest = stream_digest(io.BytesIO(content))
        known.add(job, change_mark(job.source), digest, width=3, height=2)
        if visible:
            job.target.write_bytes(content)


def found(job: Job, options: dict[str, object] | None = None) -> object:
    with manifest(job, options) as known:
        return known.find(job, change_mark(job.source))


def test_a_finished_job_is_found_by_the_next_run(job: Job) -> None:
    assert found(job) is None
    finish(job)
    with manifest(job) as known:
        record = known.find(job, change_mark(job.source))
        assert record is not None
        assert (record.width, record.height, record.output) == (3, 2, "in.png")
        assert known.made(job)


@pytest.mark.parametrize("change", ["input", "options", "torn", "gone", "another"])
def test_whatever_has_changed_is_not_done(job: Job, change: str) -> None:
    assert isinstance(job.source, Path)
    assert isinstance(job.target, Path)
    finish(job)
    if change == "input":
        job.source.write_bytes(b"another input")
    elif change == "torn":
        job.target.write_bytes(b"resu")
    elif change == "gone":
        job.target.unlink()
    options = {"model": "m", "strength": 0.5} if change == "options" else None
    other = Job(job.source, job.target.with_name("another.png")) if change == "another" else job
    assert found(other, options) is None
    with manifest(other, options) as known:
        assert known.made(other) == (change in ("input", "options")), "ours, whole, out of date"


def test_a_result_that_never_became_visible_does_not_count(job: Job) -> None:
    finish(job, visible=False)
    assert found(job) is None


def test_a_file_of_the_users_is_not_ours(job: Job) -> None:
    assert isinstance(job.target, Path)
    finish(job)
    job.target.write_bytes(b"the user's own work")
    with manifest(job) as known:
        assert not known.made(job)


def test_torn_and_foreign_lines_are_passed_over(job: Job) -> None:
    assert isinstance(job.target, Path)
    finish(job)
    path = job.target.parent / NAME
    whole = path.read_bytes()
    path.write_bytes(b'\xff\n[1]\n{"a": 1}\n' + whole + whole.splitlines()[-1][:-9])
    assert found(job) is not None
    other = Job(job.source, job.target.with_name("b.png"))
    finish(other)
    assert found(other) is not None, "the torn line did not swallow the next"
    assert found(job) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"width": "3"}, {"height": None}, {"seconds": "x"}, {"warnings": 5}, {"warnings": [1]},
        {"tiles": 1.5}, {"later": {"key": 1}}, {"input": 3},
    ],
)  # fmt: skip
def test_what_is_done_stays_done_whatever_else_a_line_says(
    job: Job, change: dict[str, object]
) -> None:
    assert isinstance(job.target, Path)
    finish(job)
    path = job.target.parent / NAME
    first, second = path.read_text().splitlines()
    path.write_text(f"{first}\n{json.dumps(json.loads(second) | change)}\n")
    before = path.read_bytes()
    assert found(job) is not None
    assert path.read_bytes() == before, "and what a later version has noted stays"


@pytest.mark.parametrize("key", ["output", "run", "input_digest", "output_digest"])
def test_lines_whose_essentials_are_damaged_do_not_count(job: Job, key: str) -> None:
    assert isinstance(job.target, Path)
    finish(job)
    path = job.target.parent / NAME
    first, second = path.read_text().splitlines()
    path.write_text(f"{first}\n{json.dumps(json.loads(second) | {key: 5})}\n")
    with manifest(job) as known:
        assert known.find(job, change_mark(job.source)) is None
        assert known.unread == 1


@pytest.mark.parametrize("plan", [5, {"memory": "2G"}, {"memory": -1}, None])
def test_a_damaged_plan_is_made_anew(job: Job, plan: object) -> None:
    assert isinstance(job.target, Path)
    finish(job)
    path = job.target.parent / NAME
    first, second = path.read_text().splitlines()
    path.write_text(f"{json.dumps(json.loads(first) | {'plan': plan})}\n{second}\n")
    with manifest(job) as known:
        assert known.plan == {"memory": 5}
        assert known.find(job, change_mark(job.source)) is not None


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n" + bytes(99), b"a letter\n", b"{}", b"[]\n"]
)
def test_other_files_are_no_manifests(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is not a manifest"):
        Manifest(path, OPTIONS)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"\n", b'{"ru', b'{"run": "12'])
def test_empty_files_and_torn_beginnings_are_taken(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    for _ in range(2):
        with Manifest(tmp_path / "file", OPTIONS, {"memory": 5}) as known:
            assert known.plan == {"memory": 5}


@pytest.mark.skipif(sys.platform == "win32", reason="devices of POSIX")
def test_devices_and_folders_are_no_manifests(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/null"), tmp_path / "pipe", tmp_path):
        with pytest.raises(UsageError, match="no regular file"):
            Manifest(path, OPTIONS)
    assert not Path("/dev/null.lock").exists()


def test_a_full_disk_is_one_sentence_and_tears_no_line(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(job.target, Path)
    path, sync = job.target.parent / NAME, os.fsync
    known = manifest(job)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(PictureError, match=r"cannot note it in .*: No space left on device"):
        known.add(job, "mark", "sha256:1")
    assert len(path.read_bytes().splitlines()) == 1
    known.close()
    with pytest.raises(PictureError, match="No space left on device"):
        manifest(job, {"model": "n"})
    monkeypatch.setattr("os.fsync", sync)
    assert found(job, {"model": "n"}) is None, "and the lock is free"


def test_a_resumed_run_plans_as_the_first_did(job: Job) -> None:
    path = Path(str(job.target)).parent / NAME
    with Manifest(path, OPTIONS, {"memory": 5}) as first:
        assert first.plan == {"memory": 5}
        first.add(job, "mark", "sha256:1")
    with Manifest(path, OPTIONS, {"memory": 7}) as second:
        assert second.plan == {"memory": 5}
    with Manifest(path, {"model": "n"}, {"memory": 7}) as other:
        assert other.plan == {"memory": 7}
    first_line, _, last_line = map(json.loads, path.read_text().splitlines())
    assert [first_line["options"], last_line["options"]] == [OPTIONS, {"model": "n"}]


def test_a_run_without_results_leaves_no_manifest(job: Job) -> None:
    with manifest(job) as known:
        assert known.path.is_file()
    folder = known.path.parent
    assert list(folder.iterdir()) == []
    known.path.write_bytes(b"")  # a file of the user's, though it is empty
    manifest(job).close()
    assert known.path.is_file()
    finish(job)
    manifest(job, {"model": "n"}).close()
    assert found(job) is not None


def test_two_runs_never_share_a_folder(job: Job) -> None:
    with manifest(job) as known:
        with pytest.raises(UsageError, match="another run is at work"):
            manifest(job)
        assert known.path.is_file()
    assert found(job) is None, "and it is free afterwards"


def test_looking_leaves_no_trace(job: Job) -> None:
    assert isinstance(job.target, Path)
    with manifest(job, read_only=True) as known:
        assert known.find(job, change_mark(job.source)) is None
    assert not job.target.parent.exists()
    finish(job)
    with manifest(job), manifest(job, read_only=True) as known:
        assert known.find(job, change_mark(job.source)) is not None


def test_a_folder_that_refuses_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PictureError, match="cannot use"):
        Manifest(tmp_path / "file" / NAME, OPTIONS)


@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_noted_is_what_was_done(
    streamed: bool, restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from serpent_cli.batch import stages
    from serpent_cli.batch.runner import run

    monkeypatch.setattr(stages, "needs_streaming", lambda *_: streamed)
    source = tmp_path / "in.png"
    Image.new("RGBA", (50, 40), (9, 99, 200, 128)).save(source)
    job = Job(source, tmp_path / "out.jpg")
    begun = time.perf_counter()
    with Manifest(tmp_path / NAME, {}) as known:
        (result,) = run([job], restorer, stages.RunOptions(manifest=known))
    passed = time.perf_counter() - begun
    assert result.error is None
    noted = json.loads((tmp_path / NAME).read_text().splitlines()[1])
    assert (noted["width"], noted["height"], noted["tiles"]) == (50, 40, result.tiles)
    assert noted["warnings"] == list(result.warnings)
    assert any("transparency" in text or "alpha" in text for text in noted["warnings"])
    assert 0.3 * result.seconds <= noted["seconds"] <= passed


def test_ray_notes_names_as_the_user_gave_them(tmp_path: Path) -> None:
    from serpent_cli.batch.ray_actors import ManifestActor

    relative, absolute = Path("in.png"), tmp_path / "in.png"
    keeper = ManifestActor(ManifestSettings(tmp_path / NAME, {}, {}), {absolute: relative})
    keeper.open()
    job = Job(absolute, tmp_path / "out.png")
    keeper.add(job, "mark", "sha256:1", {})
    keeper.close()
    noted = json.loads((tmp_path / NAME).read_text().splitlines()[1])
    assert (noted["input"], noted["output"]) == ("in.png", "out.png")
    assert keeper.is_new(job)


def test_a_note_is_kept_though_the_manifest_goes_while_it_is_written(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that notes nothing removes its new manifest; another may have it open just then."""
    assert isinstance(job.target, Path)
    target, gone = job.target, list[Path]()
    path = target.parent / NAME
    appended = notes.append

    def append(stream: BinaryIO, line: bytes) -> None:
        if not gone:
            gone.append(path)
            path.unlink()
        appended(stream, line)

    monkeypatch.setattr(notes, "append", append)
    finish(job)
    settings = ManifestSettings(path, OPTIONS, {"memory": 5}, shared=True)
    with notes.SharedManifest(settings) as shared:
        shared.add(
            job, change_mark(job.source), stream_digest(io.BytesIO(b"result")), width=3, height=2
        )
    assert gone
    assert found(job) is not None
