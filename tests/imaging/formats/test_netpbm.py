"""PPM and PGM of more than 8 bits keep them."""

import numpy as np
import pytest

from serpent_cli.errors import PictureError
from serpent_cli.imaging.read import read_picture, read_size


def binary(samples: np.ndarray, white: int = 65535) -> bytes:
    kind = "P6" if samples.ndim == 3 else "P5"
    head = f"{kind}\n# a comment\n{samples.shape[1]} {samples.shape[0]}\n{white}\n"
    return head.encode() + samples.astype(">u2").tobytes()


@pytest.mark.parametrize("grey", [False, True])
def test_sixteen_bits_stay_sixteen(astronaut, camera, grey):
    deep = (camera if grey else astronaut).astype(np.uint16) * 256 + 7
    picture = read_picture(binary(deep))
    assert (picture.grey, picture.bits, picture.warnings) == (grey, 0, ())
    np.testing.assert_array_equal(picture.channels(), deep)
    assert read_size(binary(deep)) == deep.shape[:2]


def test_digits_are_read_too(astronaut):
    deep = astronaut[:9, :11].astype(np.uint16) * 200
    text = " ".join(map(str, deep.ravel())).replace(" ", " # no number 7\n", 1)
    data = f"P3 11 9 65535\n{text}\n".encode()
    np.testing.assert_array_equal(read_picture(data).pixels, deep)


@pytest.mark.parametrize("white", [1023, 1000, 40000])
def test_any_white_is_stretched_to_all_of_the_range(astronaut, white):
    stored = np.rint(astronaut / 255 * white).astype(np.uint16)
    picture = read_picture(binary(stored, white))
    np.testing.assert_array_equal(picture.pixels, np.rint(stored * (65535 / white)))
    assert picture.bits == (10 if white < 1024 else 0)


def test_damage_is_one_sentence(astronaut):
    data = binary(astronaut.astype(np.uint16) * 200)
    with pytest.raises(PictureError, match="truncated"):
        read_picture(data[:-1])
    with pytest.raises(PictureError, match="damaged"):
        read_picture(data.replace(b"65535", b"00300"))
    for text in (b"1 2 x 4 5 6", b"1 2 3 4 5 99999", b"1 2 3 -4 5 6"):
        with pytest.raises(PictureError, match="damaged"):
            read_picture(b"P3 2 1 65535\n" + text)
