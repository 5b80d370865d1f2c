import io
from pathlib import Path

import pytest

from serpent_cli.batch.places import Remote, Standard, parse_place
from serpent_cli.batch.sources import expand_words, find_sources, read_list
from serpent_cli.errors import NoInputError, UsageError
from serpent_cli.imaging.formats import PICTURE_SUFFIXES


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
    assert {each.folder for each in sources.pictures} == {album}
    assert [each.below for each in sources.pictures] == ["a.jpg", "b.PNG", "c.heic"]
    assert [place.name for place in sources.strays] == ["notes.txt"]


def test_a_tree_is_looked_through_on_demand(album: Path) -> None:
    (album / ".git").mkdir()
    (album / ".git" / "x.png").write_bytes(b"x")
    sources = find_sources([album], recursive=True)
    assert [each.below for each in sources.pictures] == ["a.jpg", "b.PNG", "c.heic", "deeper/d.png"]
    assert [each.place for each in sources.pictures][-1] == album / "deeper" / "d.png"


def test_results_inside_the_input_are_no_input(album: Path) -> None:
    found = find_sources([album], recursive=True, output=album / "deeper")
    assert "deeper/d.png" not in [each.below for each in found.pictures]
    for elsewhere in (album, album.parent, album / "other"):
        found = find_sources([album], recursive=True, output=elsewhere)
        assert "deeper/d.png" in [each.below for each in found.pictures]


def test_files_keep_their_order_whatever_they_are_called(album: Path) -> None:
    wanted = [album / "notes.txt", album / "a.jpg"]
    sources = find_sources(wanted)
    assert [each.place for each in sources.pictures] == wanted
    assert {each.folder for each in sources.pictures} == {None}


def test_missing_files_are_named(album: Path) -> None:
    with pytest.raises(NoInputError, match=r"there is no file .*z\.png") as caught:
        find_sources([album / "a.jpg", album / "z.png"])
    assert caught.value.exit_code == 3


def test_folders_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"x")
    with pytest.raises(NoInputError, match="no picture was found in"):
        find_sources([tmp_path])


def test_files_and_folders_may_be_mixed(album: Path) -> None:
    found = find_sources([album / "deeper" / "d.png", album])
    assert [each.below for each in found.pictures] == ["d.png", "a.jpg", "b.PNG", "c.heic"]


def test_contradictions_are_refused(album: Path) -> None:
    with pytest.raises(UsageError, match="is given twice"):
        find_sources([album / "a.jpg", album / "b.PNG", album / "a.jpg"])
    with pytest.raises(UsageError, match="standard input"):
        find_sources([Standard(), album / "a.jpg"])


def test_words_are_patterns_lists_urls_or_names(
    album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(album)
    assert expand_words(["*.PNG", "-", "s3://b/x.png/"]) == [
        Path("b.PNG"), Standard(), Remote("s3://b/x.png"),
    ]  # fmt: skip
    assert expand_words(["**/*.png"]) == [Path("deeper/d.png"), Path("folder.png")]
    (album / "odd[1].png").write_bytes(b"x")
    assert expand_words(["odd[1].png"]) == [Path("odd[1].png")], "a file of that name comes first"
    with pytest.raises(NoInputError, match="nothing matches"):
        expand_words(["*.bmp"])
    names = tmp_path / "list.txt"
    names.write_text("\ufeffa.jpg\n\n*.png\nwith space.png\r\n", "utf-8")
    assert expand_words([f"@{names}"]) == [Path(n) for n in ("a.jpg", "*.png", "with space.png")]
    with pytest.raises(NoInputError, match="cannot read the list"):
        expand_words(["@none.txt"])
    names.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="UTF-8"):
        expand_words([f"@{names}"])


def test_lists_may_be_separated_by_nul() -> None:
    assert read_list(b"a\nb.png\0c.png\0", "it", separator=b"\0") == ["a\nb.png", "c.png"]


def test_folders_at_urls(memory_url: str) -> None:
    folder = Remote(f"{memory_url}/album")
    for name in ("b.png", "a.jpg", "notes.txt", ".hidden.png", "deeper/d.png"):
        folder.system.pipe_file(f"{folder.path}/{name}", b"x")
    assert [each.below for each in find_sources([folder]).pictures] == ["a.jpg", "b.png"]
    found = find_sources([folder], recursive=True)
    assert [each.below for each in found.pictures] == ["a.jpg", "b.png", "deeper/d.png"]
    assert str(found.pictures[0].place) == f"{memory_url}/album/a.jpg"
    assert [str(p) for p in expand_words([f"{memory_url}/album/*.png"])] == [
        f"{memory_url}/album/b.png"
    ]


@pytest.mark.parametrize(
    "suffix", [".jpg", ".tif", ".webp", ".ppm", ".pgm", ".heic", ".nef", ".jxl"]
)
def test_formats_are_found_even_to_be_refused_with_a_sentence(suffix: str) -> None:
    assert suffix in PICTURE_SUFFIXES


def test_only_newlines_end_a_line_of_a_list() -> None:
    names = ["a\u2028b.png", "c\x0bd\x85e.png", "f\x1cg.png"]
    content = "\r\n".join(names).encode()
    assert read_list(content, "it", separator=b"\n") == names


def test_a_list_comes_from_standard_input(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream:
        buffer = io.BytesIO(f"{album}/a.jpg\n{album}/gone.png\n".encode())

    monkeypatch.setattr("sys.stdin", Stream())
    places = expand_words(["@-"])
    assert places == [album / "a.jpg", album / "gone.png"]
    found = find_sources(places, lenient=True)
    assert [each.place for each in found.pictures] == [album / "a.jpg"]
    assert [each.place for each in found.lost] == [album / "gone.png"]
    with pytest.raises(NoInputError, match="there is no file"):
        find_sources(places[1:], lenient=True)


@pytest.mark.parametrize(
    ("url", "package"),
    [("https://host/a.png", "aiohttp"), ("s3://bucket/a.png", "s3fs"), ("gs://b/a.png", "gcsfs")],
)
def test_a_url_whose_package_is_missing_names_it(
    url: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec.core

    def missing(url: str) -> None:
        raise ImportError(f"nothing opens {url}")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(UsageError) as error:
        find_sources([parse_place(url)])
    assert f"pip install {package}" in (error.value.hint or "")
