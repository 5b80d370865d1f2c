"""Pictures at URLs and in standard streams."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from serpent_cli.batch import places
from serpent_cli.batch.delivery import write_to
from serpent_cli.batch.manifest import Manifest
from serpent_cli.batch.naming import Job
from serpent_cli.batch.places import Remote, Standard, change_mark, file_digest, parse_place
from serpent_cli.batch.runner import run
from serpent_cli.batch.stages import RunOptions
from serpent_cli.errors import PictureError, UsageError
from serpent_cli.imaging.formats import format_named
from serpent_cli.imaging.read import read_picture
from serpent_cli.restoration.plan import BASE_BYTES
from serpent_cli.restoration.restorer import Restorer


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("-", Standard()),
        ("s3://bucket/a.png", Remote("s3://bucket/a.png")),
        ("https://host/a.png?x=1", Remote("https://host/a.png?x=1")),
        ("C:/a.png", Path("C:/a.png")),
        ("a//b.png", Path("a/b.png")),
    ],
)
def test_what_a_word_means(text: str, place: places.Place) -> None:
    assert parse_place(text) == place


def test_urls_have_names_and_suffixes() -> None:
    place = Remote("https://host/dir/cat.JPG?size=3/4")
    assert (place.name, place.suffix) == ("cat.JPG", ".JPG")
    assert Remote("s3://b/odd?.png").name == "odd?.png"


def png(photo: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(photo).save(stream, "PNG")
    return stream.getvalue()


def test_a_batch_from_one_store_to_another(
    memory_url: str, restorer: Restorer, photo: NDArray[np.uint8]
) -> None:
    source, target = Remote(f"{memory_url}/a.png"), Remote(f"{memory_url}/new/a.png")
    gone = Remote(f"{memory_url}/none.png")
    source.system.pipe_file(source.path, png(photo[:20, :30]))
    jobs = [Job(source, target), Job(gone, Remote(f"{memory_url}/new/none.png"))]
    good, bad = run(jobs, restorer, RunOptions())
    assert good.error is None
    written = np.asarray(Image.open(io.BytesIO(target.system.cat_file(target.path))))
    np.testing.assert_array_equal(written, 255 - photo[:20, :30])
    assert isinstance(bad.error, PictureError)
    assert bad.error.message == f"there is no {gone}"
    (again,) = run(jobs[:1], restorer, RunOptions())
    assert isinstance(again.error, PictureError)
    assert again.error.message == f"{target} exists"


def test_damage_names_the_url(memory_url: str) -> None:
    place = Remote(f"{memory_url}/bad.png")
    place.system.pipe_file(place.path, b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(PictureError, match=f"cannot read {place}"):
        read_picture(places.fetch(place))


def test_unknown_schemes_are_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"cannot open nosuch://x/a.png"):
        places.exists(Remote("nosuch://x/a.png"))


def test_marks_change_with_the_content(memory_url: str, tmp_path: Path) -> None:
    local, remote = tmp_path / "a", Remote(f"{memory_url}/a")
    marks: list[tuple[str, str]] = []
    for content in (b"one", b"other"):
        local.write_bytes(content)
        remote.system.pipe_file(remote.path, content)
        assert file_digest(local) == file_digest(remote)
        marks.append((change_mark(local), change_mark(remote)))
    assert marks[0][0] != marks[1][0]
    assert marks[0][1] != marks[1][1]


class Stream:
    def __init__(self, content: bytes = b"") -> None:
        self.buffer = io.BytesIO(content)


def test_standard_streams_keep_the_format(
    photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = io.BytesIO()
    Image.fromarray(photo).save(content, "JPEG", quality=60)
    for wanted, chosen in (("JPEG", None), ("TIFF", format_named("tif"))):
        monkeypatch.setattr(sys, "stdin", Stream(content.getvalue()))
        monkeypatch.setattr(sys, "stdout", Stream())
        picture = read_picture(places.fetch(Standard()))
        assert write_to(picture, Standard(), chosen=chosen) == ()
        assert isinstance(sys.stdout, Stream)
        assert Image.open(sys.stdout.buffer).format == wanted


def test_pictures_of_formats_that_cannot_be_written_become_png(
    photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = io.BytesIO()
    Image.fromarray(photo).save(content, "GIF")
    monkeypatch.setattr(sys, "stdin", Stream(content.getvalue()))
    monkeypatch.setattr(sys, "stdout", Stream())
    write_to(read_picture(places.fetch(Standard())), Standard())
    assert isinstance(sys.stdout, Stream)
    assert Image.open(sys.stdout.buffer).format == "PNG"


def test_no_more_is_fetched_than_there_is_memory_for(
    memory_url: str, restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            assert size > 0, "in pieces"
            self.given += size
            return bytes(size if self.given < 2**28 else 0)  # or a fault would fill the machine

    restorer.budget = BASE_BYTES + 8 * 2**20
    endless = Endless()
    monkeypatch.setattr(sys, "stdin", Stream())
    monkeypatch.setattr(sys.stdin, "buffer", endless)
    place = Remote(f"{memory_url}/long.png")
    place.system.pipe_file(place.path, bytes(9 * 2**20))
    for source in (Standard(), place):
        (result,) = run([Job(source, tmp_path / "out.png")], restorer, RunOptions())
        assert isinstance(result.error, PictureError)
        assert "larger than the 8388608 bytes that there is memory for" in result.error.message
    assert endless.given <= 10 * 2**20


def test_what_does_not_fit_is_refused_before_it_is_decoded(
    memory_url: str, restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4000 x 4000 pixels: 120 MB while they are decoded, and 48 MB to be held."""
    content = io.BytesIO()
    Image.new("RGB", (4000, 4000)).save(content, "JPEG")
    place, file = Remote(f"{memory_url}/a.jpg"), tmp_path / "a.jpg"
    place.system.pipe_file(place.path, content.getvalue())
    file.write_bytes(content.getvalue())
    restorer.tile = "auto"
    monkeypatch.setattr("serpent_cli.batch.stages.read_picture", lambda *_, **__: 1 / 0)
    for budget, words in ((100, "whole: that takes"), (140, "needs at least")):
        restorer.budget = BASE_BYTES + budget * 2**20
        for source in (place, file):
            (result,) = run([Job(source, tmp_path / "out.jpg")], restorer, RunOptions())
            assert result.error is not None
            assert words in result.error.message, (budget, source)
            assert "--max-memory" in str(result.error.hint)
    region = RunOptions(region=(0, 0, 3900, 3900))
    (result,) = run([Job(file, tmp_path / "out.jpg")], restorer, region)
    assert result.error is not None
    assert "needs at least" in result.error.message


def test_a_local_file_is_a_path_however_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a b?.png"
    path.write_bytes(b"x")
    for scheme in ("file://", "FILE://", "local://"):
        assert parse_place(f"{scheme}{path}") == path
        assert places.expand(f"{scheme}{tmp_path}/*.png") == [path]
    assert parse_place("file://a.png") == Path("a.png")


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://me:pw@host/a.png?token=1#x", "https://host/a.png"),
        ("http://host?token=1", "http://host"),
        ("s3://key:secret@bucket/odd?.png", "s3://bucket/odd?.png"),
        ("s3://bucket/me@home.png", "s3://bucket/me@home.png"),
    ],
)
def test_secrets_of_urls_are_not_noted(url: str, public: str, tmp_path: Path) -> None:
    job = Job(Remote(url), Remote(url))
    with Manifest(tmp_path / "notes", {}) as manifest:
        manifest.add(job, "mark", "sha256:1")
    noted = json.loads((tmp_path / "notes").read_text().splitlines()[1])
    assert (noted["input"], noted["output"]) == (public, public)
    assert str(job.source) == url, "as it is needed"
