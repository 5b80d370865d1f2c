"""A small sound file of weights, and damage to its bytes: for `weights_fuzz`."""

import functools
import json
import random
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.zoo.checkpoint import save_weights

Chance = random.Random
Record = dict[str, Any]

NUMBERS = (0, 1, -1, 2, 255, 2**31 - 1, 2**31, 2**32, 2**53, 2**62, 2**63, 2**64, 10**30, 10**400)


@functools.cache
def sound() -> bytes:
    """Weights of a tiny network, as the program writes them."""
    config = ModelConfig(widths=(4, 4, 6, 8), feed_forward=1.0)
    torch.manual_seed(0)
    tensors = dict(build_model(config).state_dict())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.safetensors"
        save_weights({name: tensor.half() for name, tensor in tensors.items()}, config, path)
        return path.read_bytes()


def split(data: bytes) -> tuple[Record, bytes]:
    """Header and numbers of a sound file."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header: Record | str, numbers: bytes) -> bytes:
    """A file of a header and numbers."""
    text = header if isinstance(header, str) else json.dumps(header)
    return struct.pack("<Q", len(text.encode())) + text.encode() + numbers


def _header_bytes(chance: Chance) -> bytes:
    data = bytearray(sound())
    length = int.from_bytes(data[:8], "little")
    for _ in range(chance.choice((1, 1, 2, 5))):
        place = chance.randrange(8, 8 + length)
        data[place] = chance.choice((data[place] ^ 1 << chance.randrange(8), chance.randrange(256)))
    return bytes(data)


def _data_bytes(chance: Chance) -> bytes:
    data = bytearray(sound())
    start = 8 + int.from_bytes(data[:8], "little")
    for _ in range(chance.choice((1, 3, 20))):
        data[chance.randrange(start, len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _truncate(chance: Chance) -> bytes:
    return sound()[: chance.choice((chance.randrange(64), chance.randrange(len(sound()))))]


def _extend(chance: Chance) -> bytes:
    return sound() + chance.randbytes(chance.choice((1, 2, 100, 5000)))


def _header_length(chance: Chance) -> bytes:
    length = int.from_bytes(sound()[:8], "little")
    near = (length - 1, length + 1, length // 2, len(sound()) - 8, len(sound()), 2**63)
    value = chance.choice((*NUMBERS, *near, chance.randrange(2**64)))
    value = value % 2**64 if value % 2**64 != length else 0
    return struct.pack("<Q", value) + sound()[8:]


def _splice(chance: Chance) -> bytes:
    data = bytearray(sound())
    a, b = sorted(chance.randrange(len(data)) for _ in range(2))
    part = bytes(data[a : min(b, a + 500)])
    place = chance.randrange(len(data))
    if chance.random() < 0.5:
        data[place:place] = part
    else:
        data[place : place + len(part)] = part
    return bytes(data)


BYTES: dict[str, Callable[[Chance], bytes]] = {
    "header bytes": _header_bytes, "data bytes": _data_bytes, "truncated": _truncate,
    "extended": _extend, "header length": _header_length, "spliced": _splice,
}  # fmt: skip
