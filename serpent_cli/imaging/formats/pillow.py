"""Formats that Pillow codes with 8 bits: JPEG, WebP, AVIF, JPEG 2000, BMP, GIF, PPM.

The decoded image is copied out strip by strip, straight into its upright place, so that there
is never more than Pillow's own copy and ours. Plugins are called directly: `Image.open` would
check sizes against a limit that is global to the process, and warn.
"""

import io
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PpmImagePlugin,
    WebPImagePlugin,
)
from PIL.ImageFile import ImageFile

from serpent_cli.errors import PictureError
from serpent_cli.imaging import beside
from serpent_cli.imaging.bands import BandSource, blank
from serpent_cli.imaging.cmyk import cmyk_converter
from serpent_cli.imaging.colour import bands, is_grey, to_depth
from serpent_cli.imaging.damage import decoder, one_sentence
from serpent_cli.imaging.formats.codec import Codec, Opened, refuse_animated, whole
from serpent_cli.imaging.jpeg_quality import JpegQuality, estimate
from serpent_cli.imaging.metadata import Metadata, take_orientation
from serpent_cli.imaging.orientation import upright_size
from serpent_cli.imaging.picture import Picture, Samples

_PLUGINS: dict[str, type[ImageFile]] = {
    # The plain JPEG class reads the first picture of a multi-picture file, as intended.
    "JPEG": JpegImagePlugin.JpegImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "JPEG 2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
}
_JFIF_UNITS = (1, 2)
_IPTC = 0x0404  # among Photoshop's resources
_filters = threading.Lock()

Convert = Callable[[Image.Image], Image.Image]


@contextmanager
def _silence() -> Generator[None]:
    # Filters belong to the whole process: the lock keeps our own threads from restoring them in
    # the wrong order, and only header parsing, which is short, happens inside.
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def open_by_pillow(stream: BinaryIO, kind: str, name: str) -> ImageFile:
    """Parse a header without decoding pixels.

    Args:
        stream: The whole file, seekable.
        kind: The format's name.
        name: How the user calls the picture.

    Raises:
        PictureError: It is animated.
        DamageError: The header is damaged.
    """
    stream.seek(0)
    with _silence(), decoder():
        image = _PLUGINS[kind](stream)
        frames = int(getattr(image, "n_frames", 1))
    refuse_animated(frames, name)
    return image


def image_metadata(image: ImageFile, density: tuple[int, int] | None = None) -> Metadata:
    """Gather profile, EXIF, XMP and resolution from an opened image.

    Args:
        image: As `open_by_pillow` gave it.
        density: As `Picture` has it, of the stored pixels.
    """
    info = image.info
    dpi = info.get("dpi")
    if image.format == "JPEG" and info.get("jfif_unit", 0) not in _JFIF_UNITS:
        # Pillow turns to EXIF then, as we do, and makes it 72 DPI where EXIF has nothing.
        dpi = None
    xmp = info.get("xmp")
    found = Metadata(
        icc=info.get("icc_profile"),
        exif=info.get("exif"),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        dpi=(float(dpi[0]), float(dpi[1])) if dpi else None,
        density=density,
    )
    return take_orientation(found)


def jpeg_quality(image: Any) -> JpegQuality | None:
    """How an opened JPEG was made; only Pillow's JPEG images tell it."""
    return estimate(image.quantization, image.layer)


def read_by_pillow(
    image: ImageFile,
    kind: str,
    bits: int,
    name: str,
    metadata: Metadata,
    *,
    crop: tuple[int, int, int, int] | None = None,
    lossless: bool = False,
) -> Picture:
    """Decode an image opened by `open_by_pillow`.

    Args:
        image: The opened image; decoded and emptied here.
        kind: The format's name.
        bits: Bits per channel in the file.
        name: How the user calls the picture.
        metadata: What it says beside its pixels.
        crop: (left, top, right, bottom) of what is to be seen of the stored pixels.
        lossless: As `Picture` has it.

    Raises:
        PictureError: A colour mode that is none of grey, colour, CMYK.
        DamageError: The file is truncated or damaged.
    """
    quality = jpeg_quality(image) if kind == "JPEG" else None
    with decoder():
        image.load()
    convert, channels, notes = _conversion(image, metadata.icc, name)
    if bits > 8 and image.mode not in ("I", "I;16", "I;16B"):
        notes += (f"{bits} bits per channel were read as 8",)
    if kind in ("JPEG", "GIF"):
        notes += _left_out(image.info)
    box = crop or (0, 0, image.width, image.height)
    turn = metadata.orientation
    size = upright_size(box[3] - box[1], box[2] - box[0], turn)
    dtype = np.dtype(np.uint16 if image.mode.startswith("I") else np.uint8)
    pixels, alpha = blank(*size, dtype, alpha=channels in (2, 4))
    others = {"icc": None} if image.mode == "CMYK" else {}
    head = metadata.picture(
        pixels, alpha, channels < 3, format=kind, notes=notes, quality=quality,
        lossless=lossless, **others,
    )  # fmt: skip
    begin = partial(_strips, image, convert, box)
    picture = BandSource(head, size[0], begin, orientation=turn).whole()
    # These two have no grey: their decoders give three equal channels.
    three = kind in ("WebP", "AVIF") and is_grey(picture.pixels)
    return replace(picture, grey=True) if three else picture


def _left_out(info: Mapping[Any, Any]) -> tuple[str, ...]:
    """Name what a JPEG or GIF says beside EXIF and XMP."""
    notes: list[str] = []
    if _IPTC in info.get("photoshop", {}):
        notes.append("Its IPTC data were left out")
    if info.get("comment"):
        notes.append("Its comment was left out")
    return tuple(notes)


def _conversion(
    image: Image.Image, icc: bytes | None, name: str
) -> tuple[Convert, int, tuple[str, ...]]:
    """Choose how a strip becomes L, LA, RGB or RGBA (or stays 16-bit grey)."""
    mode, keyed = image.mode, "transparency" in image.info
    if mode == "CMYK":
        convert, sentence = cmyk_converter(icc)
        return convert, 3, (sentence,)
    if mode in ("I", "I;16", "I;16B"):
        return (lambda strip: strip), 1, ()
    if mode in ("P", "PA"):
        alpha = keyed or mode == "PA"
        target = "RGBA" if alpha else "RGB"
        if icc is None and _grey_palette(image):
            target = "LA" if alpha else "L"
    else:
        target = {"1": "L", "L": "L", "LA": "LA", "La": "LA", "RGB": "RGB", "RGBX": "RGB"}.get(
            mode, {"RGBA": "RGBA", "RGBa": "RGBA", "YCbCr": "RGB"}.get(mode, "")
        )
        target = {"L": "LA", "RGB": "RGBA"}.get(target, target) if keyed else target
    if not target:
        raise PictureError(
            f"cannot read {name}: its colour mode {mode} is not supported",
            "Convert it to an RGB or greyscale PNG first",
        )
    if target == mode:
        return (lambda strip: strip), len(target), ()
    return (lambda strip: strip.convert(target)), len(target), ()


def _grey_palette(image: Image.Image) -> bool:
    colours = np.asarray(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _strips(
    image: Image.Image, convert: Convert, box: tuple[int, int, int, int]
) -> Iterator[Samples]:
    """Yield the rows of a box (left, top, right, bottom), (h, W, C), from the top."""
    left, top, right, bottom = box
    for band in bands(bottom - top, (right - left) * 4):
        with decoder():
            part = image.crop((left, top + band.start, right, top + band.stop))
            strip = np.asarray(convert(part))
        yield strip[..., None] if strip.ndim == 2 else strip


def colour_rows(stream: BinaryIO) -> Iterator[tuple[slice, Samples]]:
    """Decode a JPEG once more, in no more memory than its decoder takes.

    Args:
        stream: The whole file, seekable; moved.

    Yields:
        Rows, and their colours (h, W, 3) as stored.

    Raises:
        PictureError: It is damaged.
    """
    with one_sentence("the result"), decoder():
        image = JpegImagePlugin.JpegImageFile(stream)
        for rows in bands(image.height, image.width * 4):
            part = image.crop((0, rows.start, image.width, rows.stop))
            yield rows, np.asarray(part.convert("RGB"))


def by_pillow(
    stream: BinaryIO,
    head: bytes,
    name: str,
    *,
    kind: str,
    icc: bytes | None = None,
    lossless: bool = False,
    tail: bytes = b"",
) -> Opened:
    """Open what Pillow alone reads; see `Codec.opened`.

    Args:
        stream: The whole file, seekable.
        head: Its first bytes.
        name: How the user calls the picture.
        kind: The format's name.
        icc: Its profile, where Pillow finds none.
        lossless: As `Picture` has it.
        tail: What stands behind the picture.
    """
    image = open_by_pillow(stream, kind, name)
    metadata = image_metadata(image)
    metadata = replace(metadata, icc=icc or metadata.icc)
    metadata = metadata.without(beside.behind(tail, metadata.xmp))
    decode = partial(read_by_pillow, image, kind, 8, name, metadata, lossless=lossless)
    sample_bytes = 2 if image.mode.startswith("I") else 1
    return Opened(image.height, image.width, metadata.orientation, whole(decode), sample_bytes)


def write_by_pillow(
    picture: Picture, metadata: Metadata, stream: BinaryIO, encoder: str, **options: Any
) -> None:
    """Encode a picture, rounded to 8 bits, by Pillow.

    Args:
        picture: Any depth.
        metadata: What to store beside the pixels.
        stream: Where to write, from its current position.
        encoder: As Pillow calls it.
        options: Of the encoder.
    """
    image = Image.fromarray(to_depth(picture.channels(), np.uint8))
    exif = metadata.exif
    if exif and encoder == "JPEG":
        exif = b"Exif\0\0" + exif
    carried = {"icc_profile": metadata.icc, "exif": exif, "xmp": metadata.xmp, "dpi": metadata.dpi}
    options |= {key: value for key, value in carried.items() if value is not None}
    # Through memory: Pillow hides the reason when its own writing to a file fails.
    buffer = io.BytesIO()
    image.save(buffer, encoder, **options)
    stream.write(buffer.getbuffer())


# GIF has nothing of its own.
CODEC = Codec(partial(by_pillow, kind="GIF"))
