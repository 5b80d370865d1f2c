"""Writing TIFF: tifffile lays out the pixels, then our own directory takes EXIF in.

tifffile cannot write the EXIF and GPS directories, so the first directory is written a second
time at the end of the file, with them, and the header is pointed to it.
"""

import struct
from typing import BinaryIO

import tifffile

from serpent_cli.imaging import ifd
from serpent_cli.imaging.metadata import DESCRIPTIVE_TAGS, Metadata
from serpent_cli.imaging.picture import Picture

_XMP = 700
_CLASSIC_LIMIT = (1 << 32) - (1 << 25)


def write_tiff(picture: Picture, metadata: Metadata, stream: BinaryIO) -> tuple[str, ...]:
    """Encode a picture in its own depth, deflated, with its metadata.

    Args:
        picture: Any depth.
        metadata: What to store beside the pixels.
        stream: A new file, opened for reading and writing.

    Returns:
        Sentences about what could not be kept.
    """
    channels = picture.channels()
    order = "<"
    if metadata.exif:
        order = ifd.byte_order(metadata.exif)
    tifffile.imwrite(
        stream,
        channels,
        byteorder="<" if order == "<" else ">",
        photometric="minisblack" if picture.grey else "rgb",
        planarconfig="contig" if channels.ndim == 3 else None,
        extrasamples=["unassalpha"] if picture.alpha is not None else None,
        compression="adobe_deflate",
        predictor=True,
        iccprofile=metadata.icc,
        resolution=metadata.dpi or metadata.density,
        resolutionunit="inch" if metadata.dpi else "none" if metadata.density else None,
        extratags=[(_XMP, 1, len(metadata.xmp), metadata.xmp, True)] if metadata.xmp else None,
        software=False,
        metadata=None,
    )
    if not metadata.exif:
        return ()
    if stream.seek(0, 2) > _CLASSIC_LIMIT:
        return ("EXIF cannot be kept in a TIFF of more than 4 GiB",)
    _attach_exif(stream, metadata.exif, order)
    return ()


def _attach_exif(stream: BinaryIO, exif: bytes, order: str) -> None:
    def fetch(offset: int, size: int) -> bytes:
        stream.seek(offset)
        return stream.read(size)

    try:
        source = ifd.read_tree(ifd.fetch_from(exif), ifd.read_first(ifd.fetch_from(exif)))
        directory = ifd.read_first(fetch)
    except (ValueError, struct.error):
        return
    entries = dict(directory.entries)
    for entry in source.entries:
        if entry.tag in DESCRIPTIVE_TAGS:
            entries.setdefault(entry.tag, entry)
    end = stream.seek(0, 2)
    end += stream.write(b"\0" * (end % 2))
    stream.write(ifd.Tree(list(entries.values()), source.children).serialise(order, end))
    stream.seek(4)
    stream.write(struct.pack(order + "I", end))
    stream.seek(0, 2)
