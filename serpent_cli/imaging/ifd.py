"""TIFF directories (IFDs): the tag tables of TIFF files and of every EXIF block.

Values are kept as raw bytes, so that maker notes and unknown tags survive untouched; only
offsets are computed anew. Source: TIFF 6.0, section 2. Classic TIFF only (32-bit offsets).
"""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Fetch = Callable[[int, int], bytes]
"""(offset, size) to that many bytes, fewer at the end of the data."""

EXIF_IFD, GPS_IFD, INTEROP_IFD = 0x8769, 0x8825, 0xA005
_POINTERS = (EXIF_IFD, GPS_IFD, INTEROP_IFD)
BYTE, ASCII, SHORT, LONG = 1, 2, 3, 4
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_MAX_VALUE_BYTES = 64 << 20
_INTEGER_CODES = {BYTE: "B", SHORT: "H", LONG: "I", 13: "I"}


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

    def rational(self, order: str) -> float | None:
        """Decode the first rational or integer as a float; None where there is none."""
        if self.type == 5 and self.count >= 1:
            numerator, denominator = struct.unpack_from(f"{order}2I", self.raw)
            return numerator / denominator if denominator else None
        values = self.integers(order)
        return float(values[0]) if values else None


@dataclass(frozen=True)
class Directory:
    """One table of tags; `next_position` is where the offset of the next table is stored."""

    order: str
    entries: dict[int, Entry]
    next_position: int
    next_offset: int

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


def read_first(fetch: Fetch) -> Directory:
    """Read the first directory.

    Raises:
        ValueError: The header or the directory is damaged.
    """
    head = fetch(0, 8)
    order = byte_order(head)
    if len(head) < 8:
        raise ValueError("no TIFF header")
    return read_directory(fetch, order, struct.unpack(order + "I", head[4:])[0])


def read_directory(fetch: Fetch, order: str, offset: int) -> Directory:
    """Read the directory at an offset; entries whose value is out of reach are left out.

    Raises:
        ValueError: The directory itself is cut off.
    """
    head = fetch(offset, 2)
    if len(head) < 2 or offset < 8:
        raise ValueError("directory offset out of range")
    count = struct.unpack(order + "H", head)[0]
    table = fetch(offset + 2, 12 * count + 4)
    if len(table) < 12 * count:
        raise ValueError("directory cut off")
    entries: dict[int, Entry] = {}
    for index in range(count):
        tag, kind, number = struct.unpack_from(order + "HHI", table, 12 * index)
        size = _TYPE_SIZES.get(kind, 0) * number
        position = offset + 2 + 12 * index + 8
        if not 0 < size <= _MAX_VALUE_BYTES:
            continue
        if size > 4:
            position = struct.unpack_from(order + "I", table, 12 * index + 8)[0]
        raw = fetch(position, size)
        if len(raw) == size:
            entries.setdefault(tag, Entry(tag, kind, number, raw, position))
    tail = table[12 * count : 12 * count + 4]
    next_offset = struct.unpack(order + "I", tail)[0] if len(tail) == 4 else 0
    return Directory(order, entries, offset + 2 + 12 * count, next_offset)


def serialise(entries: Iterable[Entry], order: str, base: int) -> bytes:
    """Lay out a directory and its values for a place in a file.

    Args:
        entries: Tags with raw values in byte order `order`.
        order: "<" or ">".
        base: Even offset at which the result will stand.

    Returns:
        The directory, with no successor, followed by the values that do not fit in it.
    """
    ordered = sorted(entries, key=lambda entry: entry.tag)
    table = struct.pack(order + "H", len(ordered))
    values = b""
    values_base = base + 2 + 12 * len(ordered) + 4
    for entry in ordered:
        table += struct.pack(order + "HHI", entry.tag, entry.type, entry.count)
        if len(entry.raw) <= 4:
            table += entry.raw.ljust(4, b"\0")
        else:
            table += struct.pack(order + "I", values_base + len(values))
            values += entry.raw + b"\0" * (len(entry.raw) % 2)
    return table + b"\0\0\0\0" + values


def long_entry(tag: int, value: int, order: str) -> Entry:
    """Make an entry that holds one 32-bit integer."""
    return Entry(tag, LONG, 1, struct.pack(order + "I", value))


@dataclass(frozen=True)
class Tree:
    """A directory with sub-directories, each under the tag that points to it."""

    entries: list[Entry]
    children: "dict[int, Tree]" = field(default_factory=dict[int, "Tree"])

    def serialise(self, order: str, base: int) -> bytes:
        """Lay out the directory, its values, then its children, for the even offset `base`."""
        own = [entry for entry in self.entries if entry.tag not in self.children]
        pointers = [long_entry(tag, 0, order) for tag in self.children]
        # Pointers do not change the size, so a first pass with zeros tells where children start.
        end = base + len(serialise([*own, *pointers], order, base))
        tail = b""
        pointers.clear()
        for tag, child in self.children.items():
            pointers.append(long_entry(tag, end + len(tail), order))
            tail += child.serialise(order, end + len(tail))
        return serialise([*own, *pointers], order, base) + tail


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
            child = read_directory(fetch, directory.order, offset)
        except ValueError:
            continue
        # Only the EXIF directory has a child: a table that points back up cannot loop.
        children[tag] = read_tree(fetch, child, (INTEROP_IFD,) if tag == EXIF_IFD else ())
    return Tree(
        [entry for entry in directory.entries.values() if entry.tag not in _POINTERS], children
    )
