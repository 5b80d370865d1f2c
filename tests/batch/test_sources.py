from pathlib import Path

import pytest

from serpent_cli.batch.sources import PICTURE_SUFFIXES, find_sources
from serpent_cli.errors import NoInputError, UsageError


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    (folder / "deeper").mkdir(parents=True)
    for name in ("b.PNG", "a.jpg", "notes.txt", ".hidden.png", "c.heic", "deeper/d.png"):
        (folder / name).write_bytes(b"x")
    (folder / "folder.png").mkdir()
    return folder


def test_a_folder_gives_its_pictures_by_name(album: Path) -> None:
    sources = find_sources([album])
    assert sources.folder == album
    assert [path.name for path in sources.files] == ["a.jpg", "b.PNG", "c.heic"]


def test_files_keep_their_order_whatever_they_are_called(album: Path) -> None:
    wanted = [album / "notes.txt", album / "a.jpg"]
    sources = find_sources(wanted)
    assert sources.files == tuple(wanted)
    assert sources.folder is None


def test_missing_files_are_named(album: Path) -> None:
    with pytest.raises(NoInputError, match=r"there is no file .*z\.png") as caught:
        find_sources([album / "a.jpg", album / "z.png"])
    assert caught.value.exit_code == 3


def test_folders_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"x")
    with pytest.raises(NoInputError, match="no picture was found in"):
        find_sources([tmp_path])


def test_contradictions_are_refused(album: Path) -> None:
    with pytest.raises(UsageError, match="is a folder among other inputs"):
        find_sources([album / "a.jpg", album])
    with pytest.raises(UsageError, match="is given twice"):
        find_sources([album / "a.jpg", album / "b.PNG", album / "a.jpg"])


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".webp", ".heic", ".nef", ".jxl"])
def test_formats_are_found_even_to_be_refused_with_a_sentence(suffix: str) -> None:
    assert suffix in PICTURE_SUFFIXES
