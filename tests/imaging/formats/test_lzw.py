"""Sound LZW data pass; data that would bring the process down do not reach the decoder."""

import io
import subprocess
import sys
import time

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from serpent_cli.errors import PictureError
from serpent_cli.imaging.formats.lzw import check_lzw
from serpent_cli.imaging.read import read_picture

CLEAR, END = 256, 257


def packed(codes: list[int]) -> bytes:
    """Codes of 9 bits, the highest bit first."""
    bits = "".join(f"{code:09b}" for code in codes)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def plain_decode(data: bytes) -> tuple[bytes, bool]:
    """Decode as TIFF 6.0 says, one code at a time; and whether a Clear is followed by no byte."""
    bits = int.from_bytes(data, "big")
    total, at, width = len(data) * 8, 0, 9
    table: list[bytes] = []
    previous, out = b"", b""
    while at + width <= total:
        code = bits >> (total - at - width) & ((1 << width) - 1)
        at += width
        if code == END:
            break
        if code == CLEAR:
            table, width, previous = [bytes([i]) for i in range(256)] + [b"", b""], 9, b""
            continue
        if not previous:
            if code >= 256:
                return out, True
            previous = table[code]
            out += previous
            continue
        if code > len(table):
            break
        entry = table[code] if code < len(table) else previous + previous[:1]
        table.append(previous + entry[:1])
        out, previous = out + entry, entry
        width = 9 + sum(len(table) >= size for size in (511, 1023, 2047))
    return out, False


@pytest.mark.parametrize("writer", ["libtiff", "imagecodecs"])
@pytest.mark.parametrize("size", [1, 2, 300, 5000, 300_000])
@pytest.mark.parametrize("kind", ["noise", "ramp", "flat"])
def test_sound_data_pass(writer, size, kind):
    generator = np.random.default_rng(size)
    values = {"noise": generator.integers(0, 256, size), "ramp": np.arange(size) // 7 % 256}
    row = values.get(kind, np.zeros(size)).astype(np.uint8)[None]
    if writer == "imagecodecs":
        check_lzw(imagecodecs.lzw_encode(row.tobytes()))
        return
    stream = io.BytesIO()
    Image.fromarray(row).save(stream, "TIFF", compression="tiff_lzw")
    np.testing.assert_array_equal(read_picture(stream.getvalue()).pixels[..., 0], row)


@settings(max_examples=200)
@given(
    plain=st.binary(min_size=1, max_size=400),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), max_size=4),
)
def test_it_refuses_what_a_plain_decoder_calls_dangerous(plain, flips):
    data = bytearray(imagecodecs.lzw_encode(plain * 9))
    for where, bit in flips:
        data[min(len(data) - 1, 2 + int(where * len(data)))] ^= 1 << bit
    if data[0] != 0x80 or data[1] & 0x80:
        return
    out, dangerous = plain_decode(bytes(data))
    if dangerous:
        with pytest.raises(ValueError, match="no byte after a Clear"):
            check_lzw(bytes(data))
    else:
        check_lzw(bytes(data))
    if not flips:
        assert out == plain * 9


@pytest.mark.parametrize(
    "codes",
    [
        [CLEAR, 300, 1, 2, END],
        [CLEAR, 5, CLEAR, 258, 258, END],
        [CLEAR, CLEAR, 511, 258],
        [CLEAR, *[7] * 200, CLEAR, 258, 7],
    ],
)
def test_a_wild_entry_after_a_clear_is_refused(codes):
    with pytest.raises(ValueError, match="no byte"):
        check_lzw(packed(codes))


def test_what_stands_behind_the_end_does_not_matter():
    check_lzw(packed([CLEAR, 5, END, CLEAR, 300, 300]))
    check_lzw(packed([CLEAR, 5, 500, CLEAR, 300]))


def test_old_bit_order_and_endless_clears_are_refused():
    with pytest.raises(ValueError, match="begin"):
        check_lzw(b"\0\1\2\3")
    begun = time.perf_counter()
    with pytest.raises(ValueError, match="every few bytes"):
        check_lzw(packed([CLEAR, 5] * 4) * 100_000)
    assert time.perf_counter() - begun < 10


def test_no_damaged_file_brings_the_process_down(tmp_path):
    """In a process of its own: the decoder alone dies of this file."""
    pixels = np.zeros((40, 40), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression="lzw", metadata=None)
    data = (tmp_path / "a.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        start, count = file.pages.first.dataoffsets[0], file.pages.first.databytecounts[0]
    wild = packed([CLEAR, *[511, 400, 300, 450] * 40])[:count].ljust(count, b"\xff")
    (tmp_path / "a.tif").write_bytes(data[:start] + wild + data[start + count :])
    with pytest.raises(PictureError, match="damaged"):
        read_picture(tmp_path / "a.tif")
    code = "import sys, tifffile; tifffile.imread(sys.argv[1])"
    command = [sys.executable, "-c", code, str(tmp_path / "a.tif")]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
