"""TIFF: alpha of every kind of page, palettes of few bits, and compressions that are too old."""

import io
import struct

import numpy as np
import pytest
import tifffile

from serpent_cli.errors import PictureError
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import open_bands, read_picture
from serpent_cli.imaging.write import write_picture

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, OFFSET, SAMPLES, ROWS, BYTES, COLOURS, EXTRA = (
    256, 257, 258, 259, 262, 273, 277, 278, 279, 320, 338,
)  # fmt: skip


def tiff(pixels: bytes, **tags: int | tuple[int, ...]) -> bytes:
    """One strip and tags by name, each of SHORTs: no library writes all of these."""
    values = {globals()[name.upper()]: value for name, value in tags.items()}
    values |= {OFFSET: 8, BYTES: len(pixels)}
    data, table = bytearray(b"II*\0" + bytes(4) + pixels), b""
    for tag in sorted(values):
        value = values[tag]
        many = value if isinstance(value, tuple) else (value,)
        kind, code = (4, "I") if tag in (OFFSET, BYTES) else (3, "H")
        raw = struct.pack(f"<{len(many)}{code}", *many)
        table += struct.pack("<HHI", tag, kind, len(many))
        if len(raw) > 4:
            table += struct.pack("<I", len(data))
            data += raw
        else:
            table += raw.ljust(4, b"\0")
    data += b"\0" * (len(data) % 2)
    data[4:8] = struct.pack("<I", len(data))
    return bytes(data + struct.pack("<H", len(values)) + table + bytes(4))


def read_both(data: bytes) -> Picture:
    """Read whole, and see that bands give the same."""
    picture = read_picture(data)
    with open_bands(data) as reader:
        rows = reader.rows(0, picture.height)
        assert not reader.layout.whole
        assert reader.warnings == picture.warnings
    np.testing.assert_array_equal(rows.pixels, picture.pixels)
    assert (rows.alpha is None) == (picture.alpha is None)
    if picture.alpha is not None:
        np.testing.assert_array_equal(rows.alpha, picture.alpha)
    return picture


PALETTE = tuple(int(v) for v in np.random.default_rng(1).integers(0, 256, 768) * 257)
DEEP_PALETTE = tuple(int(v) for v in np.random.default_rng(1).integers(0, 65536, 768))


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("palette", [PALETTE, DEEP_PALETTE])
def test_a_palette_with_alpha(camera, palette, kind):
    indices, alpha = camera[:20, :30], np.maximum(camera[50:70, :30], 40)
    stored = np.stack([indices, alpha], 2)
    picture = read_both(
        tiff(stored.tobytes(), width=30, height=20, bits=(8, 8), compression=1, photometric=3,
             samples=2, rows=20, colours=palette, extra=kind)
    )  # fmt: skip
    deep = palette is DEEP_PALETTE
    table = np.array(palette).reshape(3, 256).T
    top = 65535 if deep else 255
    expected = table[indices] if deep else table[indices] // 257
    np.testing.assert_array_equal(picture.alpha, alpha.astype(int) * (257 if deep else 1))
    if kind == 1:  # premultiplied
        expected = np.minimum(np.rint(expected / (alpha[..., None] / 255)), top)
    assert np.abs(picture.pixels.astype(int) - expected).max() <= (1 if kind == 1 else 0)
    assert picture.warnings == ()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_few_bits(bits):
    rng = np.random.default_rng(bits)
    indices = rng.integers(0, 1 << bits, (9, 16))
    colours = rng.integers(0, 65536, (3, 1 << bits))
    spread = (indices[..., None] >> np.arange(bits)[::-1]) & 1
    packed = np.packbits(spread.reshape(9, -1).astype(np.uint8), axis=1)
    picture = read_both(
        tiff(packed.tobytes(), width=16, height=9, bits=bits, compression=1, photometric=3,
             samples=1, rows=9, colours=tuple(int(v) for v in colours.ravel()))
    )  # fmt: skip
    np.testing.assert_array_equal(picture.pixels, colours.T[indices])


def test_a_fourth_sample_that_nobody_explains_is_alpha(astronaut, camera):
    for colours, photometric in ((astronaut[:20, :30], 2), (camera[:20, :30, None], 1)):
        stored = np.concatenate([colours, camera[50:70, :30, None]], 2)
        count = stored.shape[2]
        picture = read_both(
            tiff(stored.tobytes(), width=30, height=20, bits=(8,) * count, compression=1,
                 photometric=photometric, samples=count, rows=20)
        )  # fmt: skip
        np.testing.assert_array_equal(picture.channels(), stored)
        (note,) = picture.warnings
        assert "taken as alpha" in note


def test_a_sample_that_is_said_to_be_something_else_is_left_out(astronaut, camera):
    stored = np.concatenate([astronaut[:20, :30], camera[50:70, :30, None]], 2)
    picture = read_both(
        tiff(stored.tobytes(), width=30, height=20, bits=(8,) * 4, compression=1, photometric=2,
             samples=4, rows=20, extra=0)
    )  # fmt: skip
    assert picture.alpha is None
    assert picture.warnings == ("1 extra channel(s) beside the colours were left out",)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_inks_with_alpha(astronaut, camera, dtype):
    wide = dtype(257 if dtype == np.uint16 else 1)
    inks = np.concatenate([astronaut, astronaut[..., :1] // 4, camera[..., None]], 2) * wide
    stream = io.BytesIO()
    tifffile.imwrite(
        stream, inks.astype(dtype), photometric="separated", extrasamples=["unassalpha"],
        metadata=None,
    )  # fmt: skip
    picture = read_both(stream.getvalue())
    np.testing.assert_array_equal(picture.alpha, camera)
    (note,) = picture.warnings
    assert "CMYK" in note


@pytest.mark.parametrize(
    ("compression", "said"), [(5, "LZW of the old bit order"), (6, "JPEG of the old kind")]
)
def test_old_compressions_are_named(compression, said):
    data = b"\0\1\x04\x08" * 30 if compression == 5 else b"\xff\xd8\xff\xd9" * 30
    tags = {"width": 10, "height": 4, "bits": (8, 8, 8), "photometric": 2, "samples": 3, "rows": 4}
    with pytest.raises(PictureError, match=said) as caught:
        read_picture(tiff(data, compression=compression, **tags))
    assert caught.value.hint
    with (
        pytest.raises(PictureError, match=said),
        open_bands(tiff(data, compression=compression, **tags)),
    ):
        pass


def test_twelve_bits_are_no_loss_to_an_avif(tmp_path):
    twelve = np.random.default_rng(0).integers(0, 4096, (6, 10))
    spread = (twelve[..., None] >> np.arange(12)[::-1]) & 1
    packed = np.packbits(spread.reshape(6, -1).astype(np.uint8), axis=1)
    picture = read_both(
        tiff(packed.tobytes(), width=10, height=6, bits=12, compression=1, photometric=1,
             samples=1, rows=6)
    )  # fmt: skip
    assert picture.bits == 12
    assert write_picture(picture, tmp_path / "a.avif") == ()
    (note,) = write_picture(picture, tmp_path / "a.jpg")
    assert "12-bit" in note


def test_channels_of_different_depths_are_named():
    data = tiff(bytes(80), width=10, height=4, bits=(5, 6, 5), compression=1, photometric=2,
                samples=3, rows=4)  # fmt: skip
    with pytest.raises(PictureError, match="differ in depth"):
        read_picture(data)
