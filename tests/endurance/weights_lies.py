"""Weights whose header is sound and lies, or whose tensors are wrong: for `weights_fuzz`."""

import json
import random
import struct
from collections.abc import Callable

from tests.endurance.weights_files import BYTES, NUMBERS, Chance, Record, joined, sound, split

Parts = dict[str, tuple[Record, bytes]]

_ODD = (None, True, "2", 1.5, [], {}, [[1]], "\ud800", "\x1b[2J", *NUMBERS)
_TYPES = ("F64", "F32", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "C64", "f32", "", 7, None)


def mutated(seed: int, index: int) -> tuple[str, bytes]:
    """Make the damaged file of a number: what was done to it, and its content."""
    chance = random.Random(f"{seed}:{index}")
    way = chance.choice(sorted(WAYS))
    return way, WAYS[way](chance)


# A header that is sound JSON and a lie.


def _lie(change: Callable[[Record, str, Chance], None]) -> Callable[[Chance], bytes]:
    def make(chance: Chance) -> bytes:
        header, numbers = split(sound())
        name = chance.choice([key for key in header if key != "__metadata__"])
        change(header, name, chance)
        return joined(header, numbers)

    return make


def _dtype(header: Record, name: str, chance: Chance) -> None:
    header[name]["dtype"] = chance.choice([kind for kind in _TYPES if kind not in ("F16", "BF16")])


def _shape(header: Record, name: str, chance: Chance) -> None:
    old = header[name]["shape"]
    axis = chance.randrange(len(old))
    other = [chance.choice(_ODD) if i == axis else size for i, size in enumerate(old)]
    wide = [2**32, 2**32], [2**63, 2], [-1, -old[0]], [*old, 1], [0, *old], [1] * 9, [0, 10**18]
    choice = chance.choice((other, *wide, chance.choice(_ODD)))
    header[name]["shape"] = choice if choice != old else None


def _offsets(header: Record, name: str, chance: Chance) -> None:
    begin, end = header[name]["data_offsets"]
    step = chance.choice((-2, 2, 4, 1000, *NUMBERS[3:]))
    header[name]["data_offsets"] = chance.choice((
        [begin + step, end + step], [begin, end + step], [begin + step, end], [end, begin],
        [-begin - 1, -end - 1], [begin, end, end], [begin], [float(begin), end],
        [True, end], None, "0,1", {"begin": begin, "end": end},
    ))  # fmt: skip


def _overlap(header: Record, name: str, chance: Chance) -> None:
    """Two tensors of the same bytes, and nobody's in their place."""
    others = [key for key in header if key not in (name, "__metadata__")]
    other = chance.choice(others)
    header[name] = {**header[other]}


def _entry(header: Record, name: str, chance: Chance) -> None:
    entry = header[name]
    way = chance.randrange(3)
    if way == 0:
        del entry[chance.choice(sorted(entry))]
    elif way == 1:
        entry[chance.choice(("more", "strides", "\x1b]0;x\x07"))] = chance.choice(_ODD)
    else:
        header[name] = chance.choice(_ODD)


def _rename(header: Record, name: str, chance: Chance) -> None:
    chars = "".join(map(chr, chance.choices((0, 10, 27, 46, 97, 0x202E, 0xD800, 0x1F600), k=9)))
    new = chance.choice((chars, "", name + "x", "../" + name, name * 200, "u" * 100_000))
    header[new] = header.pop(name)


def _metadata(header: Record, name: str, chance: Chance) -> None:
    del name
    if chance.random() < 0.5:
        header["__metadata__"] = chance.choice(_ODD)
    else:
        key = chance.choice(("serpent", "format"))
        header["__metadata__"][key] = chance.choice(
            [odd for odd in _ODD if not isinstance(odd, str)]
        )


def _config_text(header: Record, name: str, chance: Chance) -> None:
    del name
    header["__metadata__"]["serpent"] = chance.choice((
        "", "{", "[]", "7", "null", "NaN", "[" * 100_000, '{"a":' * 50_000, "\ud800", "\x00",
        '{"widths": [1e999, 1, 1, 1]}', '{"scale": 1, "scale": 1}', "1" * 10_000,
        '{"expand": NaN}', '{"expand": -Infinity}', '{"version": 1e5}',
    ))  # fmt: skip


def _config_value(header: Record, name: str, chance: Chance) -> None:
    """Sizes that are absurd, or merely not those of the file."""
    del name
    config = json.loads(header["__metadata__"]["serpent"])
    key = chance.choice(sorted(config))  # what is at its default may be left out
    old = config[key]
    if isinstance(old, list):
        value: object = chance.choice((
            chance.choices(NUMBERS, k=len(old)), [8192] * len(old), [32] * len(old), [], old[1:],
            [old], [float(v) for v in old], [str(v) for v in old], chance.choice(_ODD),
        ))  # fmt: skip
    else:
        value = chance.choice((*_ODD, 1e-300, 1e300, 7.99, "spatial", "concat", "none", 32, 8192))
    config[key] = value if value != old or isinstance(value, bool) != isinstance(old, bool) else {}
    # Whether the input is added is no matter of shapes: both are sound.
    if key == "residual" and value == "none":
        config["widths"] = [8192] * 4
    header["__metadata__"]["serpent"] = json.dumps(config)


def _largest_config(header: Record, name: str, chance: Chance) -> None:
    """The largest network that a configuration may name, and none of its parameters."""
    del name
    config = json.loads(header["__metadata__"]["serpent"])
    most = chance.choice((8, 16, 31, 32))
    config.update(
        widths=[8192] * 4, depths_down=[most] * 3, depths_up=[most] * 3, depth_bottleneck=most,
        expand=8.0, feed_forward=8.0, state_size=256,
    )  # fmt: skip
    if chance.random() < 0.3:  # as many tensors as it has blocks, and more
        extra = {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}
        header.update({f"extra.{i}": extra for i in range(300)})
    header["__metadata__"]["serpent"] = json.dumps(config)


# Lies that the numbers take part in.


def _repacked(change: Callable[[Parts, str, Chance], None]) -> Callable[[Chance], bytes]:
    """A file written anew, so that only the tensors themselves are wrong."""

    def make(chance: Chance) -> bytes:
        header, numbers = split(sound())
        metadata = header.pop("__metadata__")
        parts = {
            name: (entry, numbers[slice(*entry["data_offsets"])]) for name, entry in header.items()
        }
        change(parts, chance.choice(sorted(parts)), chance)
        out: Record = {"__metadata__": metadata}
        data = b""
        for name, (entry, part) in parts.items():
            out[name] = {**entry, "data_offsets": [len(data), len(data) + len(part)]}
            data += part
        return joined(out, data)

    return make


def _missing(parts: Parts, name: str, chance: Chance) -> None:
    doomed = {name, *chance.choices(sorted(parts), k=chance.choice((0, 0, 10)))}
    for each in doomed:
        del parts[each]


def _extra(parts: Parts, name: str, chance: Chance) -> None:
    del name
    count = chance.choice((1, 1, 5, 2000))
    size = chance.choice((1, 3, 100_000 // count + 1))
    for i in range(count):
        parts[f"b.9.extra{i}"] = ({"dtype": "F16", "shape": [size]}, bytes(2 * size))


def _reshaped(parts: Parts, name: str, chance: Chance) -> None:
    entry, data = parts[name]
    flat = [len(data) // 2]
    shape = chance.choice((flat, entry["shape"][::-1], [1, *entry["shape"]], [*flat, 1]))
    shape = shape if shape != entry["shape"] else [1, 1, *shape]
    parts[name] = ({**entry, "shape": shape}, data)


def _not_finite(parts: Parts, name: str, chance: Chance) -> None:
    entry, data = parts[name]
    bad = struct.pack("<e", chance.choice((float("nan"), float("inf"), float("-inf"))))
    place = 2 * chance.randrange(len(data) // 2)
    parts[name] = (entry, data[:place] + bad + data[place + 2 :])


def _twice(chance: Chance) -> bytes:
    """The same name twice in a header, or the same field in an entry."""
    header, numbers = split(sound())
    name = chance.choice([key for key in header if key != "__metadata__"])
    entry = f"{json.dumps(name)}: {json.dumps(header[name])}"
    whole = json.dumps(header)
    return joined(chance.choice((
        "{" + entry + ", " + whole[1:],
        whole[:-1] + ', "__metadata__": {}}',
        whole.replace('"dtype": "F16"', '"dtype": "F16", "dtype": "F16"', 1),
    )), numbers)  # fmt: skip


def _nested(chance: Chance) -> bytes:
    header, numbers = split(sound())
    depth = chance.choice((500, 5000, 200_000))
    deep = chance.choice(("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth))
    whole = json.dumps(header)
    return joined(chance.choice((deep, whole[:-1] + f', "deep": {deep}}}')), numbers)


def _large(chance: Chance) -> bytes:
    """A header of a megabyte or more."""
    header, numbers = split(sound())
    size = chance.choice((1_000_000, 1_100_000, 3_000_000))
    filler = chance.choice((" " * size, '"' + "x" * size + '"', "[" + "[]," * (size // 3) + "[]]"))
    return joined(json.dumps(header)[:-1] + f', "__filler__": {filler}}}', numbers)


WAYS: dict[str, Callable[[Chance], bytes]] = {
    **BYTES,
    "dtype": _lie(_dtype), "shape": _lie(_shape), "offsets": _lie(_offsets),
    "overlap": _lie(_overlap), "entry": _lie(_entry), "name": _lie(_rename),
    "metadata": _lie(_metadata), "config text": _lie(_config_text),
    "config value": _lie(_config_value), "largest config": _lie(_largest_config),
    "missing": _repacked(_missing), "extra": _repacked(_extra), "reshaped": _repacked(_reshaped),
    "not finite": _repacked(_not_finite), "twice": _twice, "nested": _nested, "large": _large,
}  # fmt: skip

HARMLESS = {"header bytes", "data bytes", "spliced", "metadata", "entry", "twice"}
"""What may leave a file that is sound; nothing else may be loaded. Such as other numbers, an entry
that says more than is asked for, or a name twice, of which the last counts.
"""
