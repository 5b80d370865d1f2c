"""A safetensors file, opened and read once; the library checks its layout.

What is parsed is what the digest was taken of. Whoever asks may decide on
the header alone whether to read the numbers, so that a stranger's file costs no gigabytes.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from serpent_cli.errors import ModelError, reason_of

HEADER_LIMIT = 2**20  # bytes; the deepest network that ModelConfig allows needs half of it

DTYPES = (torch.float32, torch.float16, torch.bfloat16)

Admit = Callable[[dict[str, str], int], None]
"""Called with a file's metadata and its bytes of numbers; raises where they are not to be read."""


@dataclass(frozen=True)
class TensorFile:
    """What a file holds.

    Attributes:
        tensors: Its finite tensors by name, of `DTYPES`.
        metadata: Text by name.
        sha256: Digest of the bytes that they were read from, hexadecimal.
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    sha256: str


def read_tensor_file(
    path: Path, admit: Admit | None = None, named: Path | None = None
) -> TensorFile:
    """Read a whole file.

    Args:
        path: The file.
        admit: Decides whether to read on behind the header; None: whatever there is.
        named: What errors call it, if it is the copy of another.

    Raises:
        ModelError: It cannot be read, is no whole, sound safetensors file, is not admitted, or
            has a number that is not finite.
    """
    shown_path = named or path
    try:
        with path.open("rb") as stream:
            head, metadata = _head(stream)
            if admit is not None:
                admit(metadata, os.fstat(stream.fileno()).st_size - len(head))
            content = head + stream.read()
        return TensorFile(_tensors(content), metadata, hashlib.sha256(content).hexdigest())
    except OSError as error:
        raise corrupt(shown_path, reason_of(error)) from error
    except (ValueError, SafetensorError) as error:
        raise corrupt(shown_path, shown(str(error), 200)) from error
    except (MemoryError, RuntimeError) as error:  # torch's, where the allocator has no more
        raise ModelError(
            f"there is not enough memory for the weights {shown_path}",
            hint="they must fit into it as a whole",
        ) from error


def read_json(text: str | bytes) -> object:
    """Parse JSON of a stranger.

    Raises:
        ValueError: It is none, or nests too deeply; in one line.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error


def shown(name: str, most: int = 80) -> str:
    """A stranger's name for an error message: short, and nothing that steers a terminal."""
    return ascii(name)[1:-1][:most] or "''"


def corrupt(path: Path, why: str) -> ModelError:
    """The error for a damaged file."""
    return ModelError(
        f"the weights {path} are corrupt or no safetensors file: {why}",
        hint="fetch or reinstall them; `serpent doctor` verifies the bundled ones",
    )


def _head(stream: BinaryIO) -> tuple[bytes, dict[str, str]]:
    """Length and text of the header, and the metadata in it; the library judges all else."""
    start = stream.read(8)
    length = int.from_bytes(start, "little")
    if length > HEADER_LIMIT:
        raise ValueError(f"its header has {length} bytes, more than {HEADER_LIMIT}")
    text = stream.read(length)
    header = read_json(text)
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    metadata = cast("dict[str, object]", header).get("__metadata__", {})
    if not isinstance(metadata, dict) or not all(type(each) is str for each in metadata.values()):
        raise ValueError("its metadata is no table of text")
    return start + text, cast("dict[str, str]", metadata)


def _tensors(content: bytes) -> dict[str, Tensor]:
    """The tensors of a file's bytes."""
    try:
        found = load(content)
    except KeyError as error:  # a type that the format has, and torch has not
        raise ValueError(f"its numbers are of the type {error}") from error
    for name, tensor in found.items():
        if tensor.dtype not in DTYPES:
            wanted = ", ".join(str(dtype).removeprefix("torch.") for dtype in DTYPES)
            raise ValueError(f"{shown(name)} must be {wanted}, not {tensor.dtype}")
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{shown(name)} is not finite")
    # The library gives them in any order. Memory of torch's is aligned for its kernels, whatever
    # the file's layout.
    return {name: found[name].clone() for name in sorted(found)}
