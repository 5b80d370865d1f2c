"""The header of a safetensors file, checked by ourselves before any number behind it is read.

    8 bytes N, little-endian | N bytes of JSON: name → dtype, shape, data_offsets | the numbers

The numbers must fill the rest of the file without gap or overlap, so that nobody can claim more of
them than the file has bytes: what is read never takes more memory than that.
"""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch
from torch import Tensor

from serpent_cli.errors import ModelError

HEADER_LIMIT = 2**20  # bytes; the deepest network that ModelConfig allows needs half of it
MAX_AXES = 8

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@dataclass(frozen=True)
class Entry:
    """One tensor of a file.

    Attributes:
        dtype: Its type.
        shape: Its axes, all at least 1; none for a single number.
        begin: Its first byte, counted from the start of the file.
        end: The byte behind its last.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        tensors: Its tensors by name, in the order of their bytes.
        metadata: Text by name.
    """

    tensors: dict[str, Entry]
    metadata: dict[str, str]


def read_header(path: Path, named: Path | None = None) -> Header:
    """Read and check a file's header.

    Args:
        path: The file.
        named: What errors call it, if it is the copy of another.

    Raises:
        ModelError: It cannot be read, or is not that of a whole, sound safetensors file.
    """
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            text = _text(stream, size)
            record = strict_json(_decoded(text))
            return _checked(record, size - 8 - len(text), 8 + len(text))
    except OSError as error:
        raise corrupt(named or path, error.strerror or str(error)) from error
    except ValueError as error:
        raise corrupt(named or path, str(error)) from error


def read_tensors(path: Path, header: Header, named: Path | None = None) -> dict[str, Tensor]:
    """Read all numbers of a file.

    Args:
        path: The file.
        header: What `read_header` gave for it.
        named: What errors call it, if it is the copy of another.

    Raises:
        ModelError: It cannot be read, became shorter since, or holds NaN or infinities.
    """
    tensors: dict[str, Tensor] = {}
    shown_path = named or path
    try:
        with path.open("rb") as stream:
            for name, entry in header.tensors.items():
                # Memory of torch's, which is aligned for its kernels, whatever the file's layout.
                numbers = torch.empty(entry.end - entry.begin, dtype=torch.uint8)
                stream.seek(entry.begin)
                if stream.readinto(numbers.numpy().data) != numbers.numel():
                    raise corrupt(shown_path, "it became shorter while it was read")
                tensors[name] = numbers.view(entry.dtype).reshape(entry.shape)
                if not bool(torch.isfinite(tensors[name]).all()):
                    raise corrupt(shown_path, f"{shown(name)} is not finite")
    except OSError as error:
        raise corrupt(shown_path, error.strerror or str(error)) from error
    except RuntimeError as error:  # torch's, where the allocator has no more
        raise ModelError(
            f"there is not enough memory for the weights {shown_path}",
            hint="they have to fit it whole",
        ) from error
    return tensors


def strict_json(text: str) -> object:
    """Parse JSON that names nothing twice and holds no NaN.

    Raises:
        ValueError: It is not such, or nests too deeply; in one line.
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error


def shown(name: str) -> str:
    """A stranger's name for an error message: short, and nothing that steers a terminal."""
    return ascii(name)[1:-1][:80] or "''"


def corrupt(path: Path, why: str) -> ModelError:
    """The error for a damaged file."""
    return ModelError(
        f"the weights {path} are corrupt or no safetensors file: {why}",
        hint="fetch or reinstall them; `serpent doctor` verifies the bundled ones",
    )


def _text(stream: BinaryIO, size: int) -> bytes:
    length = int.from_bytes(stream.read(8), "little")
    if length > size - 8:
        raise ValueError(f"its header is said to have {length} bytes, the file has {size}")
    if length > HEADER_LIMIT:
        raise ValueError(f"its header has {length} bytes, more than {HEADER_LIMIT}")
    text = stream.read(length)
    if len(text) != length:
        raise ValueError("it became shorter while it was read")
    if not text.startswith(b"{"):
        raise ValueError("its header is no JSON object")
    return text


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"its header is no UTF-8 at byte {error.start}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("it names something twice")
    return record


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _checked(record: object, room: int, start: int) -> Header:
    """The header of a parsed record; `room` bytes of numbers begin at byte `start`."""
    if not isinstance(record, dict):
        raise ValueError("its header is no JSON object")
    found = cast("dict[str, object]", record)
    metadata = _metadata(found.pop("__metadata__", {}))
    entries = [(name, _entry(name, value)) for name, value in found.items()]
    entries.sort(key=lambda named: (named[1].begin, named[1].end))
    if beyond := [name for name, entry in entries if entry.end > room]:
        raise ValueError(f"the numbers of {shown(beyond[0])} go on behind the end of the file")
    at = 0
    for name, entry in entries:
        if entry.begin != at:
            what = "overlap" if entry.begin < at else "leave a gap"
            raise ValueError(f"the numbers of {shown(name)} and those before them {what}")
        at = entry.end
    if at != room:
        raise ValueError(f"its tensors have {at} bytes, and {room} follow the header")
    moved = {
        name: Entry(entry.dtype, entry.shape, start + entry.begin, start + entry.end)
        for name, entry in entries
    }
    return Header(moved, metadata)


def _metadata(record: object) -> dict[str, str]:
    if not isinstance(record, dict):
        raise ValueError("its metadata is no table of text")
    found = cast("dict[str, object]", record)
    if not all(isinstance(value, str) for value in found.values()):
        raise ValueError("its metadata is no table of text")
    return cast("dict[str, str]", record)


def _entry(name: str, record: object) -> Entry:
    """One tensor's record, whose offsets are those within the numbers."""
    who = shown(name)
    if not isinstance(record, dict):
        raise ValueError(f"{who} is described by no table")
    found = cast("dict[str, object]", record)
    if set(found) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{who} must have dtype, shape and data_offsets, and nothing else")
    dtype = found["dtype"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"{who} must be {', '.join(DTYPES)}, not {shown(str(dtype))}")
    shape, offsets = _counts(found["shape"]), _counts(found["data_offsets"])
    if shape is None or len(shape) > MAX_AXES or 0 in shape:
        raise ValueError(f"the shape of {who} must be at most {MAX_AXES} positive whole numbers")
    if offsets is None or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"the offsets of {who} must be two whole numbers that rise")
    begin, end = offsets
    if math.prod(shape) * DTYPES[dtype].itemsize != end - begin:
        raise ValueError(f"the shape of {who} does not go with its offsets")
    return Entry(DTYPES[dtype], shape, begin, end)


def _counts(value: object) -> tuple[int, ...] | None:
    """A list of whole numbers that are not negative; None: it is none."""
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    numbers = [item for item in items if type(item) is int and item >= 0]
    return tuple(numbers) if len(numbers) == len(items) else None
