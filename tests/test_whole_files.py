import os
from pathlib import Path

import pytest

from serpent_cli.errors import PictureError
from serpent_cli.whole_files import new_file, replacing, sweep, without_empty_folders


def write(target: Path, content: bytes, *, force: bool = False) -> None:
    with new_file(target, force=force) as stream:
        stream.write(content)


def test_a_file_shows_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    with new_file(target) as stream:
        stream.write(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["a.json"]


def test_what_is_there_stays_without_force(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write(target, b"one")
    with pytest.raises(PictureError, match="it exists"):
        write(target, b"two")
    assert target.read_bytes() == b"one"
    target.chmod(0o600)
    write(target, b"two", force=True)
    assert target.read_bytes() == b"two"
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_file_may_be_written_by_its_name_too(tmp_path: Path) -> None:
    """Libraries that take no stream open the unfinished file once more."""
    with new_file(tmp_path / "a.bin") as stream:
        Path(stream.name).write_bytes(b"by its name")
    assert (tmp_path / "a.bin").read_bytes() == b"by its name"


@pytest.mark.parametrize("failure", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_a_failure_leaves_what_was_there(tmp_path: Path, failure: BaseException) -> None:
    target = tmp_path / "a.json"
    write(target, b"old")
    with pytest.raises((PictureError, KeyboardInterrupt)), new_file(target, force=True) as stream:
        stream.write(b"half")
        raise failure
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_errors_of_the_disk_can_be_had_as_they_are(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "a.json"
    with pytest.raises(FileNotFoundError), replacing(missing, force=True):
        pass
    with pytest.raises(PictureError, match="the folder does not exist"):
        write(missing, b"")


def test_what_a_killed_run_left_is_swept_away(tmp_path: Path) -> None:
    target = tmp_path / "in.png"
    stale = tmp_path / ".in.png.0123456789ab.part"
    others = [tmp_path / name for name in (".else.png.0123456789ab.part", ".in.png.12.part")]
    for path in (stale, *others):
        path.write_bytes(b"half")
    with new_file(target) as stream:
        sweep([target])
        assert Path(stream.name).exists()  # it is being written
    assert not stale.exists()
    assert all(path.exists() for path in others)


def test_folders_that_stay_empty_are_removed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    files = [Path(name) for name in ("a/b/1.png", "a/c/2.png", "there/3.png", "there/d/4.png")]
    with pytest.raises(KeyError), without_empty_folders([*files, Path("never/5.png")]):
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
        files[1].touch()
        raise KeyError
    assert sorted(str(path) for path in Path().rglob("*")) == ["a", "a/c", "a/c/2.png", "there"]
