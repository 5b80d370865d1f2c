"""What lies behind or beside the main picture of a file: videos, gain maps, depth, other pictures.

None of it is kept, because none of it would fit the restored picture. So it is named, and what the
XMP packet claims of it is taken out. Sources: Android, "Motion photo format 1.0" and "Ultra HDR
image format 1.1"; Google, "Container" and "Camera" XMP namespaces; ISO 21496-1 (gain maps).
"""

import re

VIDEO = "The video behind the picture was left out"
GAIN_MAP = "Its HDR gain map was left out: it counts as the plain picture now"
DEPTH = "Its depth map was left out"
CLAIMS = "What its XMP says of pictures and videos beside it was left out"
OTHER_PICTURES = "Only the first picture of the file was read"
NO_END = "Its end mark is missing: all of the picture was there"

# Prefixes are free in XML, but every program uses those of its name space's document.
_CLAIMS = rb"(?:\w+:(?:MotionPhoto|MicroVideo)\w*|hdrgm:\w+|HDRGainMap:\w+|xmpNote:HasExtendedXMP)"
_ATTRIBUTE = re.compile(rb"\s+" + _CLAIMS + rb"""\s*=\s*(?:"[^"]*"|'[^']*')""")
_ELEMENT = re.compile(rb"<(" + _CLAIMS + rb")\b[^<>]*?(?:/>|>.*?</\1\s*>)\s*", re.DOTALL)
_DIRECTORY = re.compile(rb"<((?:\w*Container):Directory)\b[^<>]*?(?:/>|>.*?</\1\s*>)\s*", re.DOTALL)
_VIDEO_START = re.compile(rb"\0\0\0[\x08-\x40]ftyp")
_GAIN_MARKS = (b"hdrgm:", b"GainMap", b"aux:hdrgainmap", b"iso:ts:21496")
_LOOKED_AT = 8 << 20


def without_claims(xmp: bytes) -> bytes:
    """Take out what an XMP packet says of videos, gain maps and depth beside the picture.

    >>> without_claims(b'<rdf:Description GCamera:MotionPhoto="1" dc:title="t"/>')
    b'<rdf:Description dc:title="t"/>'
    """
    for pattern in (_DIRECTORY, _ELEMENT, _ATTRIBUTE):
        xmp = pattern.sub(b"", xmp)
    return xmp


def behind(tail: bytes, xmp: bytes | None) -> tuple[str, ...]:
    """Name what stands behind the end of a picture.

    Args:
        tail: All of it.
        xmp: The packet of the picture, which may tell what it is.

    Returns:
        One sentence for each thing; none where there are but zeros.
    """
    if not tail.strip(b"\0\r\n "):
        return ()
    notes: list[str] = []
    if _VIDEO_START.search(tail):
        notes.append(VIDEO)
    said = (xmp or b"") + tail[:_LOOKED_AT]
    if b"\xff\xd8\xff" in tail:
        gain = any(mark in said for mark in _GAIN_MARKS)
        notes.append(GAIN_MAP if gain else DEPTH if b"Depth" in said else OTHER_PICTURES)
    return tuple(notes or [f"{len(tail)} bytes behind the picture were left out"])
