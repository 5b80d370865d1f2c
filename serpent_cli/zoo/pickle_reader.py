"""A foreign PyTorch file to plain tensors, in a process of its own.

A pickle is a program. torch's `weights_only` runs only what builds tensors, and yet such a program
can ask for all memory, never end, or meet a bug: so it runs where that costs one child process,
which has limits of time, file size and, on Linux, memory, and which hands over safetensors.

Which of the tensors are meant, by these rules in this order:

1. A table that holds tensors, and no table under a name of rule 2, is the state dict.
2. Otherwise the first of `params_ema`, `params`, `state_dict`, `model` that is a table is looked
   into, by the same rules. What lies beside it is left aside, and said to be.
3. Tensors of float64 are rounded to float32, which is said. Entries that are no tensors of real
   numbers are named, for the caller to refuse.
"""

import contextlib
import json
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from serpent_cli.errors import ModelError, reason_of
from serpent_cli.zoo.tensor_file import DTYPES, read_tensor_file, shown

WRAPPERS = ("params_ema", "params", "state_dict", "model")
DEPTH = 8  # of tables in tables

LEAST_BUDGET, BUDGET_PER_BYTE = 512 * 2**20, 4  # the numbers, a copy, what writing them takes
LEAST_SECONDS, BYTES_PER_SECOND = 120.0, 20e6

TENSORS, REPORT = "tensors.safetensors", "report.json"
REPORT_LIMIT = 2**20
# The folder of the package goes last on the path, and the present folder not at all: neither may
# hide a module of Python's own.
CHILD = "import sys; sys.path.append(sys.argv.pop(1)); from {0} import main; sys.exit(main())"

_REFUSALS = {
    "code": "wants more than plain tensors, which may run code: {0}",
    "damaged": "is cut off, damaged, or was not written by torch.save: {0}",
    "memory": "needs more memory than {0} MiB to be read",
    "content": "{0}",
}
_HINTS = {
    "code": "where you trust it, save the tensors alone: torch.save(model.state_dict(), FILE)",
    "damaged": "fetch it again; a plain state dict saved by torch.save is what can be converted",
    "memory": "a sound state dict of its size needs less; save the tensors alone",
    "content": "a state dict is a table of tensors by name",
}


@dataclass(frozen=True)
class Foreign:
    """What a foreign file holds.

    Attributes:
        tensors: Its finite tensors, float32, float16 or bfloat16, by its own names.
        unusable: Other entries of the same table: what they are, by name.
        notes: Which table was taken, what was left aside, what was rounded.
        sizes: The configuration that it carries, if it is a weight file of ours.
    """

    tensors: dict[str, Tensor]
    unusable: dict[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()
    sizes: dict[str, Any] = field(default_factory=dict[str, Any])


class _RefusedError(Exception):
    """What is wrong with a file: its kind and words."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind, self.words = kind, words


def read_pickle(path: Path, budget: int | None = None, seconds: float | None = None) -> Foreign:
    """Read a file of torch.save.

    Args:
        path: The file.
        budget: Bytes of memory for it, beyond what torch itself takes; by its size otherwise.
        seconds: Time for it; by its size otherwise.

    Raises:
        ModelError: It cannot be read within these limits, wants to run code, is damaged, or holds
            no table of tensors.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ModelError(f"cannot read {path}: {reason_of(error)}") from error
    budget = budget or max(LEAST_BUDGET, BUDGET_PER_BYTE * size)
    seconds = seconds or LEAST_SECONDS + size / BYTES_PER_SECOND
    with tempfile.TemporaryDirectory(prefix="serpent-") as name:
        folder = Path(name)
        _run_child(path, folder, budget, seconds)
        report = _report(path, folder)
        copy = folder / TENSORS
        tensors = read_tensor_file(copy, named=path).tensors
    return Foreign(tensors, report["unusable"], tuple(report["notes"]))


def _run_child(path: Path, folder: Path, budget: int, seconds: float) -> None:
    root = str(Path(__file__).resolve().parents[2])
    code = CHILD.format("serpent_cli.zoo.pickle_reader")
    # Its words go to a file, whose size is limited, and not to pipes.
    quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    limits = (str(budget), str(int(seconds) + 1))
    command = [sys.executable, "-P", "-c", code, root, str(path.resolve()), str(folder), *limits]
    try:
        ended = subprocess.run(command, timeout=seconds, check=False, **quiet).returncode
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"{path} was not read within {seconds:.0f} s; stopped",
            hint="a sound file takes less; fetch it again, or save its tensors alone",
        ) from error
    if ended:
        names = {each.value: each.name for each in signal.Signals}
        cause = names.get(-ended, f"exit code {ended}")
        raise ModelError(
            f"the process that read {path} died ({cause})",
            hint="the file is damaged or hostile, or there is too little memory; fetch it again",
        )


def _report(path: Path, folder: Path) -> dict[str, Any]:
    try:
        with (folder / REPORT).open(encoding="utf-8") as stream:
            report: dict[str, Any] = json.loads(stream.read(REPORT_LIMIT))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the process that read {path} gave no result",
            hint="its table may have very many odd entries: save the tensors alone",
        ) from error
    if kind := report.get("refused"):
        why = _REFUSALS[kind].format(shown(report["words"]))
        raise ModelError(f"{path} {why}", hint=_HINTS[kind])
    return report


def main() -> int:
    """The child: FILE FOLDER BYTES SECONDS; a report and perhaps tensors are left in the folder."""
    path, folder = Path(sys.argv[1]), Path(sys.argv[2])
    budget = int(sys.argv[3])
    _limit(budget, int(sys.argv[4]))
    try:
        report = _converted(path, folder, budget)
    except _RefusedError as error:
        report = {"refused": error.kind, "words": error.words}
    except Exception as error:  # noqa: BLE001 (whatever torch finds wrong with it)
        kind, words = _judged(error, budget)
        report = {"refused": kind, "words": words}
    (folder / REPORT).write_text(json.dumps(report), encoding="utf-8")
    return 0


def _limit(budget: int, seconds: int) -> None:
    torch.set_num_threads(1)  # each of them would take address space
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_FSIZE, (budget, budget))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + budget
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _judged(error: BaseException, budget: int) -> tuple[str, str]:
    text = str(error)
    if isinstance(error, MemoryError) or re.search(r"allocate memory|not enough memory", text):
        return "memory", f"{budget / 2**20:.0f}"
    if isinstance(error, pickle.UnpicklingError) and (
        named := re.search(r"GLOBAL (\S+)|(?:function|got) (<.*?>)", text)
    ):
        return "code", named[1] or named[2]
    return "damaged", type(error).__name__


def _converted(path: Path, folder: Path, budget: int) -> dict[str, Any]:
    from safetensors.torch import save_file

    mapped = _check_archive(path)
    loaded = torch.load(  # noqa: TID251 (the one place: plain tensors only, in a limited process)
        path, map_location="cpu", weights_only=True, mmap=mapped
    )
    table, notes = _unwrapped(loaded)
    usable, unusable, rounded = _sorted(table)
    if sum(tensor.numel() * tensor.element_size() for tensor in usable.values()) > budget:
        # A stride of 0 makes one number as many as one likes.
        raise _RefusedError("memory", f"{budget / 2**20:.0f}")
    plain = {
        name: tensor.detach().to(torch.float32 if name in rounded else tensor.dtype, copy=True)
        for name, tensor in usable.items()
    }
    save_file({name: tensor.contiguous() for name, tensor in plain.items()}, folder / TENSORS)
    if rounded:
        notes.append(f"{len(rounded)} tensors of float64 are rounded to float32")
    return {"notes": notes, "unusable": unusable}


def _check_archive(path: Path) -> bool:
    """Whether the file is one of today's, a zip archive, which can be mapped into memory."""
    with path.open("rb") as stream:
        if stream.read(4) != b"PK\x03\x04":
            return False
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        packed = any(part.compress_type != zipfile.ZIP_STORED for part in parts)
        if packed or sum(part.file_size for part in parts) > path.stat().st_size:
            nested = "torch.save compresses nothing, and no part lies in another"
            raise _RefusedError("damaged", nested)
        # What is mapped is not checked by torch.
        if (spoilt := archive.testzip()) is not None:
            raise _RefusedError("damaged", f"the checksum of {spoilt} differs")
    return True


def _unwrapped(loaded: object) -> tuple[dict[object, object], list[str]]:
    """The state dict within what was loaded, by the rules above."""
    notes: list[str] = []
    for _ in range(DEPTH):
        if not isinstance(loaded, dict):
            break
        table = cast("dict[object, object]", loaded)
        inner = next((name for name in WRAPPERS if isinstance(table.get(name), dict)), None)
        if inner is None:
            if any(isinstance(value, Tensor) for value in table.values()):
                return table, notes
            break
        beside = [shown(str(name)) for name in table if name != inner]
        more = f" and {len(beside) - 8} more" if len(beside) > 8 else ""
        left = f"; left aside: {', '.join(beside[:8])}{more}" if beside else ""
        notes.append(f"the tensors are those of {inner}{left}")
        loaded = table[inner]
    found = (
        sorted(map(str, cast("dict[object, object]", loaded)))[:8]
        if isinstance(loaded, dict)
        else [type(loaded).__name__]
    )
    raise _RefusedError("content", f"holds no state dict; found: {', '.join(found) or 'nothing'}")


def _sorted(
    table: dict[object, object],
) -> tuple[dict[str, Tensor], dict[str, str], set[str]]:
    """Tensors that can be taken, what else there is, and the names of those to be rounded."""
    usable: dict[str, Tensor] = {}
    unusable: dict[str, str] = {}
    for name, value in table.items():
        if not isinstance(value, Tensor):
            unusable[shown(str(name))] = f"no tensor ({type(value).__name__})"
        elif not isinstance(name, str) or not _is_plain(value):
            unusable[shown(str(name))] = f"{value.dtype}, {value.layout}".replace("torch.", "")
        else:
            usable[name] = value
    return usable, unusable, {n for n, value in usable.items() if value.dtype == torch.float64}


def _is_plain(tensor: Tensor) -> bool:
    dtypes = {*DTYPES, torch.float64}
    return (
        tensor.layout == torch.strided
        and tensor.device.type == "cpu"
        and not tensor.is_nested
        and tensor.dtype in dtypes
    )


if __name__ == "__main__":
    sys.exit(main())
