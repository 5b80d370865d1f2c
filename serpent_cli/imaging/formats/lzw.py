"""A look at LZW data before they are decoded.

imagecodecs 2026.3.6 takes the code after a Clear for a byte unseen. Damaged data may name a table
entry there that is not yet written: the decoder then follows a wild pointer, and the process dies.
Everything else that may be wrong it finds itself. Source: TIFF 6.0, section 13.
"""

import numpy as np
from numpy.typing import NDArray

from serpent_cli.imaging.damage import DamageError

_CLEAR, _END, _FIRST_ENTRY = 256, 257, 258
_TABLE = 5120
"""Entries that the decoder has room for; more is an error that it finds."""

_GLIMPSE = 64
_CLEAR_BYTES, _FREE_CLEARS = 256, 64
"""Encoders clear the table after thousands of codes; one Clear in so many bytes is too often."""

_Integers = NDArray[np.int64]


def _layout() -> tuple[_Integers, _Integers, _Integers]:
    """Table size, width in bits and offset in bits of each code after a Clear."""
    # The first code adds no entry, each of the others one.
    sizes = np.concatenate([[_FIRST_ENTRY], np.arange(_FIRST_ENTRY, _TABLE)])
    # One entry early: the encoder is one behind the decoder.
    widths = 9 + np.searchsorted([511, 1023, 2047], sizes, side="right")
    return sizes, widths, np.concatenate([[0], np.cumsum(widths)[:-1]])


_SIZES, _WIDTHS, _OFFSETS = _layout()
_ENDS = _OFFSETS + _WIDTHS
_MASKS = ((1 << _WIDTHS) - 1).astype(np.int32)
# For each bit of a byte that the first code may begin at: the byte of each code, and its place.
_STARTS = [(bit + _OFFSETS) >> 3 for bit in range(8)]
_SHIFTS = [(24 - ((bit + _OFFSETS) & 7) - _WIDTHS).astype(np.int32) for bit in range(8)]


def is_old_lzw(data: bytes) -> bool:
    """Tell whether LZW data are of the old bit order: a Clear, whose lowest bits come first."""
    return len(data) >= 2 and data[0] == 0 and bool(data[1] & 1)


def check_lzw(data: bytes) -> None:
    """Refuse LZW data that the decoder cannot be given.

    Args:
        data: One strip or tile.

    Raises:
        DamageError: They are damaged in the way told above.
    """
    if len(data) < 2 or data[0] != 0x80 or data[1] & 0x80:
        raise DamageError("LZW data that do not begin with a Clear")
    # Two bytes more, so that every code can be cut from three.
    packed = np.frombuffer(data + bytes(2), np.uint8)
    total, at, clears = len(data) * 8, 9, 0
    while True:
        length, last = _codes_until_clear(packed, at, total)
        clears += 1
        if last != _CLEAR:
            return
        if clears > _FREE_CLEARS + len(data) // _CLEAR_BYTES:
            raise DamageError("LZW data with a Clear every few bytes")
        at += length


def _codes_until_clear(packed: NDArray[np.uint8], at: int, total: int) -> tuple[int, int]:
    """Look at the codes behind a Clear.

    Args:
        packed: The data, and two bytes more.
        at: Offset in bits of the first code.
        total: Length of the data in bits.

    Returns:
        Bits up to the next code of its own meaning, with that code; and the code: a Clear, or what
        ends the data for the decoder.

    Raises:
        DamageError: The first code is no byte.
    """
    for count in (_GLIMPSE, len(_SIZES)):
        whole = int(np.searchsorted(_ENDS[:count], total - at, side="right"))
        codes = _cut(packed[at >> 3 :], at & 7, whole)
        if whole and codes[0] >= _FIRST_ENTRY:
            raise DamageError("LZW data that go on with no byte after a Clear")
        # Beyond the table lies what the decoder itself calls corrupt; it goes no farther.
        ends = (codes == _CLEAR) | (codes == _END) | (codes > _SIZES[:whole])
        if ends.any():
            found = int(ends.argmax())
            return int(_ENDS[found]), int(codes[found])
        if whole < count:
            break
    return 0, _END


def _cut(packed: NDArray[np.uint8], bit: int, count: int) -> NDArray[np.int32]:
    """Cut the first codes behind a Clear, which begin at a bit of the first byte, the highest 0."""
    starts = _STARTS[bit][:count]
    reach = int(starts[-1]) + 3 if count else 0
    wide = packed[:reach].astype(np.int32)
    threes = wide[:-2] << 16 | wide[1:-1] << 8 | wide[2:]
    return threes[starts] >> _SHIFTS[bit][:count] & _MASKS[:count]
