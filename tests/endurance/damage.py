"""What can happen to a picture's file on its way: for `fuzz`. No torch here."""

import random
import struct
import zlib

from tests.endurance.sound_files import sound_files

_WORDS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutated(seed: int, index: int, only: str = "") -> tuple[str, bytes]:
    """Make the damaged file of a number; the same numbers give the same file.

    Args:
        seed: Of all files.
        index: Of this one.
        only: How the names of the sound files end that it is made of.

    Returns:
        Its name, and its content.
    """
    chance = random.Random(f"{seed}:{index}")
    name = chance.choice(sorted(each for each in sound_files() if each.endswith(only)))
    data = bytearray(sound_files()[name])
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        chance.choice(_WAYS)(data, chance)
    if name.endswith(".png") and chance.random() < 0.7:
        # Past the checksums, which would stop nearly every damage at the door.
        _mend_checksums(data)
    return name, bytes(data)


def _place(data: bytearray, chance: random.Random) -> int:
    """An offset, more often near the start, where headers are."""
    reach = len(data) if chance.random() < 0.4 else min(len(data), 400)
    return chance.randrange(max(1, reach))


def _span(data: bytearray, chance: random.Random) -> slice:
    start = _place(data, chance)
    return slice(start, min(len(data), start + 1 + int(chance.expovariate(1 / 24))))


def _flip_bits(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 8)):
        if data:
            data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _truncate(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _zero(data: bytearray, chance: random.Random) -> None:
    where = _span(data, chance)
    data[where] = bytes(len(data[where]))


def _insert(data: bytearray, chance: random.Random) -> None:
    start = _place(data, chance)
    data[start:start] = chance.randbytes(chance.randint(1, 40))


def _delete(data: bytearray, chance: random.Random) -> None:
    del data[_span(data, chance)]


def _repeat(data: bytearray, chance: random.Random) -> None:
    where = _span(data, chance)
    data[where.stop : where.stop] = data[where] * chance.randint(1, 30)


def _swap(data: bytearray, chance: random.Random) -> None:
    first, second = _span(data, chance), _span(data, chance)
    if first.stop <= second.start:
        data[first], data[second] = data[second], data[first]


def _splice(data: bytearray, chance: random.Random) -> None:
    """Go on with another file from some place on."""
    other = sound_files()[chance.choice(sorted(sound_files()))]
    cut = _place(data, chance)
    data[cut:] = other[min(len(other), cut if chance.random() < 0.5 else _place(data, chance)) :]


def _edit_field(data: bytearray, chance: random.Random) -> None:
    """Write a length that is wrong in an interesting way, in either byte order."""
    width = chance.choice((1, 2, 4, 4, 8))
    start = _place(data, chance) & ~1
    field = data[start : start + width]
    order = chance.choice(("little", "big"))
    value = int.from_bytes(field, order)
    near = (value + 1, value - 1, value * 2, value // 2, len(data), value + 65536)
    value = chance.choice((*_WORDS, *near)) % (1 << 8 * len(field))
    data[start : start + width] = value.to_bytes(len(field), order)


def _swap_chunks(data: bytearray, chance: random.Random) -> None:
    """Exchange, double or drop one of the file's own parts, where it has such."""
    parts = _parts(data)
    if len(parts) < 2:
        return
    bodies = [bytes(data[part]) for part in parts]
    start, end = parts[0].start, parts[-1].stop
    i, j = chance.randrange(len(bodies)), chance.randrange(len(bodies))
    way = chance.randrange(3)
    if way == 0:
        bodies[i], bodies[j] = bodies[j], bodies[i]
    elif way == 1:
        bodies.insert(i, bodies[j])
    else:
        del bodies[i]
    data[start:end] = b"".join(bodies)


def _parts(data: bytearray) -> list[slice]:
    """PNG chunks, JPEG segments, RIFF chunks, or boxes."""
    at, order, extra, sized_last = 0, ">I", 0, True
    if data.startswith(b"\x89PNG"):
        at, extra, sized_last = 8, 12, False
    elif data.startswith(b"\xff\xd8"):
        at, order, extra = 2, ">H", 2
    elif data.startswith(b"RIFF"):
        at, order, extra = 12, "<I", 8
    size, skip = struct.calcsize(order), 0
    if data.startswith((b"\xff\xd8",)):
        skip = 2
    elif data.startswith(b"RIFF"):
        skip = 4
    parts: list[slice] = []
    while at + skip + size <= len(data) and len(parts) < 200:
        length = struct.unpack_from(order, data, at + skip)[0] + extra
        if length < 8 - 4 * sized_last or at + length > len(data):
            break
        parts.append(slice(at, at + length))
        at += length
    return parts


def _mend_checksums(data: bytearray) -> None:
    for part in _parts(data):
        body = data[part.start + 4 : part.stop - 4]
        data[part.stop - 4 : part.stop] = struct.pack(">I", zlib.crc32(body))


_WAYS = (
    *(_flip_bits, _flip_bits, _edit_field, _edit_field, _edit_field, _truncate, _zero, _insert),
    *(_delete, _repeat, _swap, _splice, _swap_chunks, _swap_chunks),
)
