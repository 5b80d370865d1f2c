"""TIFF directories (IFDs): the tag tables of TIFF files and of every EXIF block.

Values are kept as raw bytes, so that maker notes and unknown tags survive untouched; only
offsets are computed anew. Sources: TIFF 6.0, section 2; the BigTIFF design (64-bit offsets).
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

Fetch = Callable[[int, int], bytes]
"""(offset, size) to that many bytes, fewer at the end of the data."""

EXIF_IFD, GPS_IFD, INTEROP_IFD = 0x8769, 0x8825, 0xA005
_POINTERS = (EXIF_IFD, GPS_IFD, INTEROP_IFD)
BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, LONG8, IFD8 = 1, 2, 3, 4, 5, 7, 16, 18
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_TYPE_SIZES.update({LONG8: 8, 17: 8, IFD8: 8})
_MAX_VALUE_BYTES, _MAX_ENTRIES = 64 << 20, 65535
_INTEGER_CODES = {BYTE: "B", SHORT: "H", LONG: "I", 13: "I", LONG8: "Q", IFD8: "Q"}
_CODES = {**_INTEGER_CODES, 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 17: "q"}
_RATIONAL_CODES = {RATIONAL: "I", 10: "i"}


@dataclass(frozen=True)
class _Sizes:
    """How a directory is laid out: struct codes, and bytes of a value that lies in its entry."""

    count: str
    entry: str
    offset: str
    inline: int

    @property
    def count_bytes(self) -> int:
        return struct.calcsize("<" + self.count)

    @property
    def entry_bytes(self) -> int:
        return struct.calcsize("<" + self.entry) + self.inline


_CLASSIC, _BIG = _Sizes("H", "HHI", "I", 4), _Sizes("Q", "HHQ", "Q", 8)


@dataclass(frozen=True)
class Entry:
    """One tag: its raw value bytes, and where in the data they lie."""

    tag: int
    type: int
    count: int
    raw: bytes
    position: int = 0

    def integers(self, order: str) -> tuple[int, ...]:
        """Decode an integer value; empty for other types. `order` is "<" or ">"."""
        code = _INTEGER_CODES.get(self.type)
        return struct.unpack(f"{order}{self.count}{code}", self.raw) if code else ()

    def numbers(self, order: str) -> tuple[float, ...]:
        """Decode numbers of any type, a rational as two; empty for text and the undefined."""
        if self.type in _RATIONAL_CODES:
            code = _RATIONAL_CODES[self.type]
            return struct.unpack(f"{order}{2 * self.count}{code}", self.raw)
        code = _CODES.get(self.type)
        return struct.unpack(f"{order}{self.count}{code}", self.raw) if code else ()

    def rational(self, order: str) -> float | None:
        """Decode the first rational or integer as a float; None where there is none."""
        if self.type == RATIONAL and self.count >= 1:
            numerator, denominator = struct.unpack_from(f"{order}2I", self.raw)
            return numerator / denominator if denominator else None
        values = self.integers(order)
        return float(values[0]) if values else None


@dataclass(frozen=True)
class Directory:
    """One table of tags; `next_position` is where the offset of the next table is stored.

    `wide`: its offsets have 64 bits, as in a BigTIFF.
    """

    order: str
    entries: dict[int, Entry]
    next_position: int
    next_offset: int
    wide: bool = False

    def integer(self, tag: int) -> int | None:
        """Give the first integer of a tag, or None."""
        entry = self.entries.get(tag)
        values = entry.integers(self.order) if entry else ()
        return values[0] if values else None


def byte_order(head: bytes) -> str:
    """Read "<" or ">" from the first four bytes.

    Raises:
        ValueError: The bytes are not a classic TIFF header.
    """
    orders = {b"II*\0": "<", b"MM\0*": ">"}
    if head[:4] not in orders:
        raise ValueError("no TIFF header")
    return orders[head[:4]]


def fetch_from(block: bytes | bytearray) -> Fetch:
    """Read from bytes in memory."""
    return lambda offset, size: bytes(block[offset : offset + size])


def read_first(fetch: Fetch, *, bigtiff: bool = False) -> Directory:
    """Read the first directory.

    Args:
        fetch: Reads the file.
        bigtiff: Read a BigTIFF, too.

    Raises:
        ValueError: The header or the directory is damaged.
    """
    head = fetch(0, 16)
    if bigtiff and head[:4] in (b"II+\0", b"MM\0+") and len(head) == 16:
        order = "<" if head[:1] == b"I" else ">"
        return read_directory(fetch, order, struct.unpack(order + "Q", head[8:])[0], wide=True)
    order = byte_order(head)
    if len(head) < 8:
        raise ValueError("no TIFF header")
    return read_directory(fetch, order, struct.unpack(order + "I", head[4:8])[0])


def read_directory(fetch: Fetch, order: str, offset: int, *, wide: bool = False) -> Directory:
    """Read the directory at an offset; entries whose value is out of reach are left out.

    One whose value is too large, as only damaged and hostile ones are, is empty.

    Raises:
        ValueError: The directory itself is cut off.
    """
    sizes = _BIG if wide else _CLASSIC
    head = fetch(offset, sizes.count_bytes)
    if len(head) < sizes.count_bytes or offset < 8:
        raise ValueError("directory offset out of range")
    count = min(struct.unpack(order + sizes.count, head)[0], _MAX_ENTRIES)
    start, length = offset + sizes.count_bytes, sizes.entry_bytes * count
    table = fetch(start, length + sizes.inline)
    if len(table) < length:
        raise ValueError("directory cut off")
    entries: dict[int, Entry] = {}
    for at in range(0, length, sizes.entry_bytes):
        tag, kind, number = struct.unpack_from(order + sizes.entry, table, at)
        size = _TYPE_SIZES.get(kind, 0) * number
        value_at = at + sizes.entry_bytes - sizes.inline
        position = start + value_at
        if kind not in _TYPE_SIZES:
            continue
        if size > _MAX_VALUE_BYTES:
            entries.setdefault(tag, Entry(tag, kind, 0, b"", position))  # for its reader to tell
            continue
        if size > sizes.inline:
            position = struct.unpack_from(order + sizes.offset, table, value_at)[0]
        raw = fetch(position, size)
        if len(raw) == size:
            entries.setdefault(tag, Entry(tag, kind, number, raw, position))
    tail = table[length:]
    next_offset = struct.unpack(order + sizes.offset, tail)[0] if len(tail) == sizes.inline else 0
    return Directory(order, entries, start + length, next_offset, wide)


def serialise(entries: Iterable[Entry], order: str, base: int, *, wide: bool = False) -> bytes:
    """Lay out a directory and its values for a place in a file.

    Args:
        entries: Tags with raw values in byte order `order`.
        order: "<" or ">".
        base: Even offset at which the result will stand.
        wide: Lay it out for a BigTIFF.

    Returns:
        The directory, with no successor, followed by the values that do not fit in it.
    """
    sizes = _BIG if wide else _CLASSIC
    ordered = sorted(entries, key=lambda each: each.tag)
    table = struct.pack(order + sizes.count, len(ordered))
    values = bytearray()
    values_base = base + len(table) + sizes.entry_bytes * len(ordered) + sizes.inline
    for each in ordered:
        table += struct.pack(order + sizes.entry, each.tag, each.type, each.count)
        if len(each.raw) <= sizes.inline:
            table += each.raw.ljust(sizes.inline, b"\0")
        else:
            table += struct.pack(order + sizes.offset, values_base + len(values))
            values += each.raw + b"\0" * (len(each.raw) % 2)
    return table + bytes(sizes.inline) + values


def entry(tag: int, kind: int, values: Sequence[float], order: str) -> Entry:
    """Make an entry of numbers, a rational being two; the reverse of `Entry.numbers`."""
    code = (_CODES | _RATIONAL_CODES)[kind]
    raw = struct.pack(f"{order}{len(values)}{code}", *values)
    return Entry(tag, kind, len(values) // (2 if kind in _RATIONAL_CODES else 1), raw)


@dataclass(frozen=True)
class Tree:
    """A directory with sub-directories, each under the tag that points to it."""

    entries: list[Entry]
    children: "dict[int, Tree]" = field(default_factory=dict[int, "Tree"])

    def serialise(self, order: str, base: int, *, wide: bool = False) -> bytes:
        """Lay out the directory, its values, then its children, for the even offset `base`."""
        own = [each for each in self.entries if each.tag not in self.children]
        kind = IFD8 if wide else LONG
        pointers = [entry(tag, kind, [0], order) for tag in self.children]
        # Pointers do not change the size, so a first pass with zeros tells where children start.
        end = base + len(serialise([*own, *pointers], order, base, wide=wide))
        tail = b""
        pointers.clear()
        for tag, child in self.children.items():
            pointers.append(entry(tag, kind, [end + len(tail)], order))
            tail += child.serialise(order, end + len(tail), wide=wide)
        return serialise([*own, *pointers], order, base, wide=wide) + tail


def read_tree(
    fetch: Fetch, directory: Directory, pointers: tuple[int, ...] = (EXIF_IFD, GPS_IFD)
) -> Tree:
    """Collect a directory with its EXIF, GPS and interoperability children; damaged ones go."""
    children: dict[int, Tree] = {}
    for tag in pointers:
        offset = directory.integer(tag)
        if offset is None:
            continue
        try:
            child = read_directory(fetch, directory.order, offset, wide=directory.wide)
        except ValueError:
            continue
        # Only the EXIF directory has a child: a table that points back up cannot loop.
        children[tag] = read_tree(fetch, child, (INTEROP_IFD,) if tag == EXIF_IFD else ())
    return Tree(
        [each for each in directory.entries.values() if each.raw and each.tag not in _POINTERS],
        children,
    )
