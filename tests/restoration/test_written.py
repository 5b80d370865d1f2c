"""Whether a result differs from its input is judged on what is written."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from serpent_cli.imaging.encode import encode
from serpent_cli.imaging.formats import format_named
from serpent_cli.imaging.picture import Picture
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.restoration.written import as_written, before_coding

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


def test_what_is_not_measured_is_not_claimed() -> None:
    said = before_coding("the result does not differ from the input: it needs no restoring")
    assert "does not differ" not in said
    assert "not counted" in said
