"""What is done is not done again, and what is not whole does not count."""

import io
import json
from pathlib import Path

import pytest

from serpent_cli.batch.manifest import NAME, Manifest, sweep
from serpent_cli.batch.naming import Job
from serpent_cli.batch.places import change_mark, stream_digest
from serpent_cli.errors import PictureError, UsageError

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


def test_a_resumed_run_plans_as_the_first_did(job: Job) -> None:
    path = Path(str(job.target)).parent / NAME
    with Manifest(path, OPTIONS, {"memory": 5}) as first:
        assert first.plan == {"memory": 5}
    with Manifest(path, OPTIONS, {"memory": 7}) as second:
        assert second.plan == {"memory": 5}
    with Manifest(path, {"model": "n"}, {"memory": 7}) as other:
        assert other.plan == {"memory": 7}
    headers = [json.loads(line) for line in path.read_text().splitlines()]
    assert [header["options"] for header in headers] == [OPTIONS, {"model": "n"}]


def test_two_runs_never_share_a_folder(job: Job) -> None:
    with (
        manifest(job) as known,
        pytest.raises(UsageError, match="another run is at work"),
    ):
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


def test_what_a_killed_run_left_is_swept_away(job: Job) -> None:
    assert isinstance(job.target, Path)
    finish(job)
    folder = job.target.parent
    stale = folder / ".in.png.0123456789ab.part"
    others = [folder / name for name in (".else.png.0123456789ab.part", ".in.png.12.part")]
    for path in (stale, *others):
        path.write_bytes(b"half")
    sweep([job])
    assert not stale.exists()
    assert all(path.exists() for path in others)


def test_a_folder_that_refuses_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PictureError, match="cannot use"):
        Manifest(tmp_path / "file" / NAME, OPTIONS)
