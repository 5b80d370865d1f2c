import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from serpent_cli.imaging.metadata import Metadata, fit_exif, fit_xmp, take_orientation
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import read_picture
from serpent_cli.imaging.write import write_picture

MAKE, ORIENTATION, EXIF_IFD, GPS_IFD = 0x010F, 0x0112, 0x8769, 0x8825
EXPOSURE, MAKER_NOTE, WIDTH, LENS = 0x829A, 0x927C, 0xA002, 0xA434
XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF><rdf:Description tiff:Orientation="6" exif:PixelXDimension="999"'
    b' tiff:ImageLength="888" dc:title="Serpent"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


@pytest.fixture(scope="module")
def exif() -> bytes:
    """A block with maker note, GPS and thumbnail-free IFD0, built by Pillow."""
    block = Image.Exif()
    block[MAKE] = "Serpent Optics"
    block[ORIENTATION] = 6
    block.get_ifd(EXIF_IFD).update({EXPOSURE: 0.008, LENS: "50 mm", WIDTH: 999})
    block.get_ifd(EXIF_IFD)[MAKER_NOTE] = bytes(range(200))
    block.get_ifd(GPS_IFD).update({1: "N", 2: (47.0, 22.0, 5.5)})
    return block.tobytes().removeprefix(b"Exif\0\0")


@pytest.fixture(scope="module")
def icc() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def parse(block: bytes | None) -> Image.Exif:
    assert block is not None
    parsed = Image.Exif()
    parsed.load(block)
    return parsed


def test_only_the_orientation_changes_in_the_block(exif):
    taken = take_orientation(Metadata(exif=b"Exif\0\0" + exif))
    assert taken.orientation == 6
    assert taken.exif is not None
    assert len(taken.exif) == len(exif)
    changed = [at for at, (a, b) in enumerate(zip(exif, taken.exif, strict=True)) if a != b]
    assert len(changed) == 1
    assert parse(taken.exif)[ORIENTATION] == 1
    assert parse(taken.exif).get_ifd(EXIF_IFD)[MAKER_NOTE] == bytes(range(200))


def test_big_endian_blocks_too():
    block = b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHIHH", ORIENTATION, 3, 1, 8, 0) + bytes(4)
    taken = take_orientation(Metadata(exif=block))
    assert taken.orientation == 8
    assert parse(taken.exif)[ORIENTATION] == 1


def test_a_thumbnail_that_would_lie_turned_is_unlinked():
    entry = struct.pack("<HHIHH", ORIENTATION, 3, 1, 3, 0)
    second = struct.pack("<H", 0) + bytes(4)
    block = b"II*\0\x08\0\0\0\1\0" + entry + struct.pack("<I", 26) + second
    taken = take_orientation(Metadata(exif=block))
    assert taken.exif is not None
    assert taken.exif[22:26] == bytes(4)
    upright = block.replace(entry, struct.pack("<HHIHH", ORIENTATION, 3, 1, 1, 0))
    assert take_orientation(Metadata(exif=upright)).exif == upright


@pytest.mark.parametrize(
    "block", [b"junk", b"II*\0", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\x09\0"]
)
def test_a_damaged_block_is_left_out_with_a_word(block):
    taken = take_orientation(Metadata(exif=block))
    assert (taken.exif, taken.orientation) == (None, 1)
    assert len(taken.warnings) == 1


def test_orientation_that_only_xmp_states_does_not_count(exif):
    """As in browsers and in libvips; it is said, and the packet tells of what is written."""
    alone = take_orientation(Metadata(xmp=XMP))
    assert alone.orientation == 1
    assert alone.xmp == XMP.replace(b'tiff:Orientation="6"', b'tiff:Orientation="1"')
    assert [note for note in alone.warnings if "tiff:Orientation 6" in note] == [*alone.warnings]
    element = take_orientation(Metadata(xmp=b"<tiff:Orientation>8</tiff:Orientation>"))
    assert element.xmp == b"<tiff:Orientation>1</tiff:Orientation>"
    assert len(element.warnings) == 1
    both = take_orientation(Metadata(xmp=XMP.replace(b'"6"', b'"3"'), exif=exif))
    assert (both.orientation, both.warnings) == (6, ())
    assert take_orientation(Metadata(xmp=XMP.replace(b'"6"', b'"1"'))).warnings == ()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_picture_that_only_xmp_turns_is_read_as_it_is_stored(astronaut, kind):
    buffer = io.BytesIO()
    image, options = Image.fromarray(astronaut), {"xmp": XMP}
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
        options = {"pnginfo": info}
    if kind == "TIFF":
        options = {"tiffinfo": {700: XMP}}
    image.save(buffer, kind, **options)
    picture = read_picture(buffer.getvalue())
    assert picture.pixels.shape == astronaut.shape
    assert picture.xmp is not None
    assert b'tiff:Orientation="1"' in picture.xmp
    assert any("EXIF alone counts" in note for note in picture.warnings)


def test_size_tags_follow_the_picture(exif):
    assert parse(fit_exif(exif, 20, 31)).get_ifd(EXIF_IFD)[WIDTH] == 31
    # A SHORT cannot hold it: the tag stays rather than wraps.
    assert parse(fit_exif(exif, 20, 70_000)).get_ifd(EXIF_IFD)[WIDTH] in (999, 70_000)
    fitted = fit_xmp(XMP, 20, 31)
    assert b'exif:PixelXDimension="31"' in fitted
    assert b'tiff:ImageLength="20"' in fitted
    assert fit_exif(b"junk", 1, 1) == b"junk"


@pytest.mark.parametrize("dpi", [(0, 0), (float("nan"), 72), (-1, 5)])
def test_senseless_resolutions_count_as_none(dpi):
    assert take_orientation(Metadata(dpi=dpi)).dpi is None


@pytest.mark.parametrize(
    ("suffix", "dtype", "carried"),
    [
        ("png", "uint8", {"icc", "exif", "xmp", "dpi"}),
        ("png", "uint16", {"icc", "exif", "xmp", "dpi"}),
        ("tif", "uint8", {"icc", "exif", "xmp", "dpi"}),
        ("tif", "uint16", {"icc", "exif", "xmp", "dpi"}),
        ("tif", "float32", {"icc", "exif", "xmp", "dpi"}),
        ("jpg", "uint8", {"icc", "exif", "xmp", "dpi"}),
        ("webp", "uint8", {"icc", "exif", "xmp"}),
        ("avif", "uint8", {"icc", "exif", "xmp"}),
        ("bmp", "uint8", {"dpi"}),
        ("jp2", "uint8", {"icc", "exif", "xmp", "dpi"}),
        ("jp2", "uint16", {"icc", "exif", "xmp", "dpi"}),
        ("avif", "uint16", {"icc", "exif", "xmp"}),
    ],
)
def test_metadata_survive_or_their_loss_is_announced(
    make_picture, tmp_path, exif, icc, suffix, dtype, carried
):
    pixels = make_picture(dtype).pixels
    upright = take_orientation(Metadata(exif=exif, xmp=XMP))
    written = Picture(pixels, icc=icc, exif=upright.exif, xmp=upright.xmp, dpi=(300.0, 150.0))
    notes = write_picture(written, tmp_path / f"a.{suffix}")
    read = read_picture(tmp_path / f"a.{suffix}")
    kept = {key for key in ("icc", "exif", "xmp", "dpi") if getattr(read, key) is not None}
    assert kept == carried
    # AVIF holds 12 of the 16 bits, and says so too.
    assert len(notes) == 4 - len(carried) + ((suffix, dtype) == ("avif", "uint16"))
    if "icc" in kept:
        assert read.icc == icc
    if "dpi" in kept:
        assert read.dpi == pytest.approx((300, 150), abs=0.02)
    if "xmp" in kept:
        assert read.xmp == fit_xmp(upright.xmp or b"", read.height, read.width)
    if "exif" in kept:
        block = parse(read.exif)
        assert block[MAKE] == "Serpent Optics"
        assert block.get_ifd(EXIF_IFD)[EXPOSURE] == pytest.approx(0.008)
        assert block.get_ifd(EXIF_IFD)[LENS] == "50 mm"
        assert block.get_ifd(EXIF_IFD)[MAKER_NOTE] == bytes(range(200))
        assert block.get_ifd(EXIF_IFD)[WIDTH] == read.width
        assert block.get_ifd(GPS_IFD)[2] == (47.0, 22.0, 5.5)


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp", "avif"])
def test_other_programs_find_the_metadata(make_picture, tmp_path, exif, icc, suffix):
    picture = make_picture("uint8")
    upright = take_orientation(Metadata(exif=exif, xmp=XMP))
    write_picture(
        Picture(picture.pixels, icc=icc, exif=upright.exif, xmp=upright.xmp, dpi=(300.0, 300.0)),
        tmp_path / f"a.{suffix}",
    )
    with Image.open(tmp_path / f"a.{suffix}") as image:
        image.load()
        assert image.info["icc_profile"] == icc
        block = image.getexif()
        assert block[MAKE] == "Serpent Optics"
        assert block.get_ifd(GPS_IFD)[1] == "N"
        assert block.get_ifd(EXIF_IFD)[LENS] == "50 mm"
        xmp = image.info.get("xmp", b"")
        assert b'dc:title="Serpent"' in (xmp.encode() if isinstance(xmp, str) else xmp)
        if suffix in ("png", "tif", "jpg"):
            assert [round(float(value)) for value in image.info["dpi"]] == [300, 300]


def test_big_endian_exif_reaches_tiff(make_picture, tmp_path):
    block = Image.Exif()
    block.endian = ">"
    block[MAKE] = "Serpent Optics"
    block.get_ifd(EXIF_IFD)[EXPOSURE] = 0.5
    data = block.tobytes().removeprefix(b"Exif\0\0")
    assert data.startswith(b"MM")
    picture = make_picture("uint16")
    write_picture(Picture(picture.pixels, exif=data), tmp_path / "a.tif")
    read = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.pixels, picture.pixels)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), picture.pixels)
    assert parse(read.exif).get_ifd(EXIF_IFD)[EXPOSURE] == 0.5


def test_metadata_too_long_for_jpeg_are_announced(make_picture, tmp_path):
    pixels = make_picture("uint8").pixels
    block = Image.Exif()
    block[MAKE] = "x" * 70_000
    long = Picture(pixels, exif=block.tobytes()[6:], xmp=b"<x>" + b" " * 70_000)
    notes = write_picture(long, tmp_path / "a.jpg")
    assert len(notes) == 2
    assert all("too long for JPEG" in note for note in notes)
    assert read_picture(tmp_path / "a.jpg").exif is None


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_what_is_written_is_upright_whatever_its_exif_says(make_picture, tmp_path, exif, suffix):
    pixels = make_picture("uint8").pixels
    write_picture(Picture(pixels, exif=b"Exif\0\0" + exif), tmp_path / f"a.{suffix}")
    read = read_picture(tmp_path / f"a.{suffix}")
    assert read.pixels.shape == pixels.shape
    assert parse(read.exif)[MAKE] == "Serpent Optics"
    assert parse(read.exif).get(ORIENTATION, 1) == 1


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_a_damaged_block_is_not_written(make_picture, tmp_path, suffix):
    pixels = make_picture("uint8").pixels
    notes = write_picture(Picture(pixels, exif=b"junk"), tmp_path / f"a.{suffix}")
    assert notes == ("The EXIF block is damaged and was left out",)
    assert read_picture(tmp_path / f"a.{suffix}").exif is None


def test_exif_hidden_in_png_text_is_found(astronaut, exif):
    digits = (b"Exif\0\0" + exif).hex()
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(digits) // 2:8d}\n{digits}\n", zip=True)
    buffer = io.BytesIO()
    Image.fromarray(astronaut).save(buffer, "PNG", pnginfo=info)
    picture = read_picture(buffer.getvalue())
    assert parse(picture.exif)[MAKE] == "Serpent Optics"
    assert picture.pixels.shape[:2] == astronaut.shape[1::-1]
