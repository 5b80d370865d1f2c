"""BMP with bit masks of any kind."""

import struct

import numpy as np
import pytest

from serpent_cli.errors import PictureError
from serpent_cli.imaging.read import read_layout, read_picture, read_size

INFO, V2, V3, V4, V5 = 40, 52, 56, 108, 124
FIELDS, ALPHA_FIELDS = 3, 6


def masked(
    pixels: np.ndarray,
    masks: tuple[int, ...],
    word: int,
    *,
    header: int = V4,
    coding: int = FIELDS,
    down: bool = False,
) -> bytes:
    """Channels (H, W, C) of as many bits as their masks have, packed by hand."""
    height, width = pixels.shape[:2]
    words = np.zeros((height, width), np.uint64)
    for index, mask in enumerate(masks[: pixels.shape[2]]):
        shift = (mask & -mask).bit_length() - 1
        words |= pixels[..., index].astype(np.uint64) << np.uint64(shift)
    rows = words.astype(f"<u{word}").tobytes()
    rows = np.frombuffer(rows, np.uint8).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
    rows = rows if down else rows[::-1]
    table = struct.pack("<4I", *masks, *([0] * (4 - len(masks))))
    size = {INFO: 16 if coding == ALPHA_FIELDS else 12}.get(header, 0)
    body = struct.pack(
        "<IiiHHIIiiII", header, width, -height if down else height, 1, word * 8, coding, 0,
        11811, 5906, 0, 0,
    )  # fmt: skip
    body = (body + table[: size or 16]).ljust(max(header, INFO + size), b"\0")
    body = body[: max(header, INFO + size)]
    start = 14 + len(body)
    return b"BM" + struct.pack("<IHHI", start + rows.size, 0, 0, start) + body + rows.tobytes()


def levels(bits: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1 << bits, (11, 13))


KINDS = {
    "RGB 555": ((0x7C00, 0x3E0, 0x1F), 2, (5, 5, 5)),
    "RGB 565": ((0xF800, 0x7E0, 0x1F), 2, (5, 6, 5)),
    "ARGB 1555": ((0x7C00, 0x3E0, 0x1F, 0x8000), 2, (5, 5, 5, 1)),
    "ARGB 4444": ((0xF00, 0xF0, 0xF, 0xF000), 2, (4, 4, 4, 4)),
    "RGB 332 in 16": ((0xE0, 0x1C, 0x3), 2, (3, 3, 2)),
    "RGB 10 10 10": ((0x3FF00000, 0xFFC00, 0x3FF), 4, (10, 10, 10)),
    "BGR 10 10 10 and alpha": ((0x3FF, 0xFFC00, 0x3FF00000, 0xC0000000), 4, (10, 10, 10, 2)),
    "RGBA 8888": ((0xFF000000, 0xFF0000, 0xFF00, 0xFF), 4, (8, 8, 8, 8)),
    "BGRX 8888": ((0xFF0000, 0xFF00, 0xFF), 4, (8, 8, 8)),
}


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_every_mask_is_read(name, down):
    masks, word, bits = KINDS[name]
    stored = np.stack([levels(each, i) for i, each in enumerate(bits)], 2)
    data = masked(stored, masks, word, down=down)
    picture = read_picture(data)
    top = 255 if max(bits) <= 8 else 65535
    assert picture.pixels.dtype == (np.uint8 if top == 255 else np.uint16)
    for index, each in enumerate(bits):
        got = picture.alpha if index == 3 else picture.pixels[..., index]
        np.testing.assert_array_equal(
            got, np.floor(stored[..., index] * top / ((1 << each) - 1) + 0.5)
        )
    assert (picture.alpha is None) == (len(bits) == 3)
    assert picture.bits == (10 if top > 255 else 0)
    assert picture.warnings == ()
    assert picture.dpi == pytest.approx((300, 150), abs=0.02)
    assert read_size(data) == (11, 13)
    assert read_layout(data).sample_bytes == picture.pixels.itemsize


@pytest.mark.parametrize(("header", "coding"), [(INFO, 3), (INFO, 6), (V2, 3), (V3, 3), (V5, 3)])
def test_every_header_is_read(header, coding):
    masks, word, bits = KINDS["ARGB 4444"]
    stored = np.stack([levels(each, i) for i, each in enumerate(bits)], 2)
    picture = read_picture(masked(stored, masks, word, header=header, coding=coding))
    np.testing.assert_array_equal(picture.pixels, stored[..., :3] * 17)
    # Three masks only stand behind the oldest headers, unless the coding says four.
    if header >= V3 or coding == ALPHA_FIELDS:
        np.testing.assert_array_equal(picture.alpha, stored[..., 3] * 17)
    else:
        assert picture.alpha is None


def test_senseless_masks_and_missing_rows_are_refused():
    stored = np.stack([levels(5, i) for i in range(3)], 2)
    good = (0x7C00, 0x3E0, 0x1F)
    data = masked(stored, good, 2)
    for masks in ((0x7C00, 0, 0x1F), (0x7A00, 0x3E0, 0x1F)):
        with pytest.raises(PictureError, match="damaged"):
            read_picture(data.replace(struct.pack("<3I", *good), struct.pack("<3I", *masks)))
    with pytest.raises(PictureError, match="truncated"):
        read_picture(data[:-1])


@pytest.mark.parametrize(
    ("header", "depth", "coding", "colours", "said"),
    [
        (V5, 0, 4, 0, "a JPEG in it"), (V5, 0, 5, 0, "a PNG in it"), (64, 1, 3, 0, "Huffman"),
        (64, 24, 4, 0, "run lengths of 24 bits"), (INFO, 2, 0, 4, "2 bits per pixel"),
        (16, 8, 0, 0, "a header of 16 bytes"), (66, 1, 0, 0, "a header of 66 bytes"),
        (INFO, 8, 0, 300, "a palette of 300 colours"), (INFO, 32, 11, 0, "CMYK"),
    ],
)  # fmt: skip
def test_whole_files_of_rare_kinds_are_not_called_damaged(header, depth, coding, colours, said):
    fields = (header, 8, 8, 1, depth, coding, 64, 0, 0, colours, 0)
    body = struct.pack("<IiiHHIIiiII", *fields).ljust(header, b"\0")[: max(header, 16)]
    start = 14 + header + 4 * colours
    data = b"BM" + struct.pack("<IHHI", start + 64, 0, 0, start) + body
    data = data.ljust(start, b"\0") + bytes(64)
    with pytest.raises(PictureError) as error:
        read_picture(data)
    assert f"a BMP with {said}" in error.value.message
    assert "is not supported" in error.value.message
    assert "damaged" not in error.value.message


def test_a_palette_that_is_not_there_is_damage():
    body = struct.pack("<IiiHHIIiiII", INFO, 8, 8, 1, 8, 0, 64, 0, 0, 305402420, 0)
    data = b"BM" + struct.pack("<IHHI", 54 + 64, 0, 0, 54) + body + bytes(64)
    with pytest.raises(PictureError, match="damaged or truncated"):
        read_picture(data)
