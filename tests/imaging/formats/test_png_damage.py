"""A damaged PNG is refused alike, whole and by bands: there is one test of damage for both."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from serpent_cli.errors import PictureError
from serpent_cli.imaging.formats import png
from serpent_cli.imaging.formats.png_chunks import SIGNATURE
from serpent_cli.imaging.read import open_bands, read_picture


def whole(path: Path) -> np.ndarray:
    return read_picture(path).pixels


def by_bands(path: Path) -> np.ndarray:
    with open_bands(path) as reader:
        assert not reader.layout.whole
        step = 37
        return np.concatenate([
            reader.rows(top, min(reader.head.height, top + step)).pixels
            for top in range(0, reader.head.height, step)
        ])  # fmt: skip


WAYS: list[Callable[[Path], np.ndarray]] = [whole, by_bands]


@pytest.fixture(autouse=True)
def small_bands(monkeypatch):
    monkeypatch.setattr(png, "_BAND_BYTES", 10_000)


@pytest.fixture
def sound(make_picture) -> bytes:
    """All rows in one chunk, their checksum in another, and not compressed: nothing else stops."""
    pixels = make_picture("uint8").pixels[:60, :70]
    rows = np.pad(pixels.reshape(60, -1), ((0, 0), (1, 0)))
    packed = zlib.compress(rows.tobytes(), 0)
    return (
        SIGNATURE
        + png.header_chunk(60, 70, 8, 2)
        + png.chunk(b"IDAT", packed[:-4])
        + png.chunk(b"IDAT", packed[-4:])
        + png.chunk(b"IEND", b"")
    )


def chunks(data: bytes) -> dict[bytes, slice]:
    """Where the last chunk of each kind lies; IDAT0 is the first of pixels."""
    found, at = {}, 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT" and kind not in found:
            found[b"IDAT0"] = slice(at, at + length + 12)
        found[kind] = slice(at, at + length + 12)
        at += length + 12
    return found


@pytest.mark.parametrize("way", WAYS)
def test_no_flipped_bit_in_pixels_is_read(way, sound, tmp_path):
    """Header, pixels and their checksums: nothing there may be wrong."""
    path, chance = tmp_path / "a.png", np.random.default_rng(0)
    parts = chunks(sound)
    places = [*range(*parts[b"IHDR"].indices(len(sound)))]
    last = parts[b"IDAT"].stop
    places += [*range(last - 24, last), *chance.integers(parts[b"IDAT0"].start, last, 400)]
    unharmed = way_of(way, path, sound)
    read = []
    for place in places:
        data = bytearray(sound)
        data[place] ^= 1 << int(chance.integers(8))
        path.write_bytes(data)
        try:
            way(path)
        except PictureError as error:
            assert any(word in error.message for word in ("damaged", "truncated", "picture"))
        else:
            read.append(place)
    assert read == []
    assert unharmed.shape == (60, 70, 3)


def way_of(way: Callable[[Path], np.ndarray], path: Path, data: bytes) -> np.ndarray:
    path.write_bytes(data)
    return way(path)


@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_checksum_alone_is_found(way, sound, tmp_path):
    """Adler-32 behind the last row, and CRC of the last chunk: no row depends on them."""
    body = sound[chunks(sound)[b"IDAT"]][8:-4]
    spoilt = body[:-1] + bytes([body[-1] ^ 1])
    for data, check in ((spoilt, zlib.crc32(b"IDAT" + spoilt)), (body, 1234)):
        part = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", check)
        place = chunks(sound)[b"IDAT"]
        with pytest.raises(PictureError, match="damaged"):
            way_of(way, tmp_path / "a.png", sound[: place.start] + part + sound[place.stop :])


@pytest.mark.parametrize("way", WAYS)
def test_a_missing_end_mark_alone_harms_nobody(way, sound, tmp_path):
    expected = way_of(way, tmp_path / "a.png", sound)
    for cut in (1, 4, 8, 11, 12):
        got = way_of(way, tmp_path / "a.png", sound[:-cut])
        np.testing.assert_array_equal(got, expected)
        assert any("end mark" in note for note in read_picture(sound[:-cut]).warnings)
    for cut in (13, 16, 17, 40):
        with pytest.raises(PictureError, match=r"truncated|damaged"):
            way_of(way, tmp_path / "a.png", sound[:-cut])


@pytest.mark.parametrize("way", WAYS)
def test_an_unknown_chunk_that_must_be_understood_is_refused(way, sound, tmp_path):
    part = struct.pack(">I", 3) + b"QuxX" + b"abc" + struct.pack(">I", zlib.crc32(b"QuxXabc"))
    with pytest.raises(PictureError, match="damaged"):
        way_of(way, tmp_path / "a.png", sound[:33] + part + sound[33:])
