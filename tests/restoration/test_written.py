"""Whether a result differs from its input is judged on what is written."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from serpent_cli.imaging.encode import encode
from serpent_cli.imaging.formats import format_named
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import read_picture
from serpent_cli.imaging.write import write_picture
from serpent_cli.restoration.difference import DifferenceMeter
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.restoration.streamed import StreamOptions, restore_file
from serpent_cli.restoration.written import as_written

Make = Callable[..., Restorer]
Photo = NDArray[np.uint8]


@pytest.mark.parametrize(
    ("name", "quality", "said"),
    [
        ("png", None, "the result does not differ from the input: "),
        ("webp", 100, "the result does not differ from the input: "),
        ("avif", 100, "the result does not differ from the input: "),
        ("jpg", 30, "; coding it as JPEG changed it by "),
        ("webp", 30, "; coding it as WebP changed it by "),
    ],
)
def test_the_losses_of_coding_count(
    name: str, quality: int | None, said: str, restorer_with: Make, photo: Photo
) -> None:
    restored = restorer_with(nn.Identity()).restore(Picture(photo, warnings=("read so",)))
    stream = io.BytesIO()
    encode(restored, format_named(name), stream, quality=quality)
    place = stream.tell()
    first, sentence = as_written(restored.warnings, restored, stream)
    assert first == "read so"
    assert said in sentence
    assert ("restoring changed nothing" in sentence) == (quality == 30)
    assert stream.tell() == place


def test_a_result_that_differs_is_not_decoded_again(restorer_with: Make, photo: Photo) -> None:
    picture = Picture(photo, warnings=("read so",))
    assert as_written(picture.warnings, picture, io.BytesIO(b"no picture")) == ("read so",)


@pytest.mark.parametrize("name", ["jpg", "webp", "avif"])
def test_large_results_are_judged_as_far_as_the_memory_goes(
    name: str, restorer_with: Make, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serpent_cli.restoration.written.SMALL", 0)
    restored = restorer_with(nn.Identity()).restore(Picture(photo))
    stream = io.BytesIO()
    encode(restored, format_named(name), stream, quality=30)
    (sentence,) = as_written(restored.warnings, restored, stream)
    assert "; coding it as" in sentence
    assert "changed it by" in sentence
    (sentence,) = as_written(restored.warnings, restored, stream, photo.nbytes)
    # A JPEG is read again by bands, in what coding it took; the others need more.
    assert ("changed it by" in sentence) == (name == "jpg")
    assert ("is not known: to read it once more takes more memory" in sentence) == (name != "jpg")
    assert "does not differ" not in sentence


@pytest.mark.parametrize("name", ["jpg", "webp", "avif"])
def test_what_is_streamed_is_judged_on_its_file_too(
    name: str, restorer_with: Make, photo: Photo, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.png", tmp_path / f"out.{name}"
    write_picture(Picture(photo), source)
    told: list[tuple[str, ...]] = []

    def ready(stream: BinaryIO, warnings: tuple[str, ...]) -> None:
        assert stream.tell() == stream.seek(0, 2), "it stands at its end"
        told.append(warnings)

    restorer = restorer_with(nn.Identity(), tile=40)
    result = restore_file(source, target, restorer, StreamOptions(quality=30, on_ready=ready))
    assert told == [result.warnings], "the manifest hears what the user hears"
    (sentence,) = [each for each in result.warnings if "restoring changed nothing" in each]
    loss = DifferenceMeter()
    loss.add(photo, read_picture(target).pixels)
    assert f"changed it by {loss.difference().mean_levels:.1f} levels" in sentence


def test_a_lossless_file_of_what_is_streamed_does_not_differ(
    restorer_with: Make, photo: Photo, tmp_path: Path
) -> None:
    write_picture(Picture(photo), tmp_path / "in.png")
    restorer = restorer_with(nn.Identity(), tile=40)
    for name, quality in (("out.png", None), ("out.webp", 100), ("out.avif", 100)):
        options = StreamOptions(quality=quality)
        result = restore_file(tmp_path / "in.png", tmp_path / name, restorer, options)
        assert [each for each in result.warnings if "the result does not differ" in each]


@pytest.mark.parametrize(("name", "differs"), [("bmp", True), ("png", False), ("tif", False)])
def test_a_depth_that_a_format_cannot_hold_is_a_difference(
    name: str, differs: bool, restorer_with: Make, photo: Photo
) -> None:
    restored = restorer_with(nn.Identity()).restore(Picture(photo.astype(np.uint16) * 256))
    stream = io.BytesIO()
    encode(restored, format_named(name), stream)
    (sentence,) = as_written(restored.warnings, restored, stream)
    assert sentence.startswith("restoring changed nothing:") == differs
