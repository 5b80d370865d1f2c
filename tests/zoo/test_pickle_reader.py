"""Foreign pickles: plain tensors come out, everything else is one sentence and leaves nothing."""

import os
import pickle
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from serpent_cli.errors import ModelError
from serpent_cli.zoo import pickle_reader
from serpent_cli.zoo.pickle_reader import read_pickle

Refused = Callable[..., ModelError]
TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)}


class RunsCode:
    """Its pickle creates a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made; what a test leaves there is a failure."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the child does is done here, without its limits: a second or two less for each test."""

    def run(path: Path, folder: Path, budget: int, seconds: float) -> None:
        given = ("", path, folder, budget, int(seconds))
        monkeypatch.setattr(sys, "argv", [str(each) for each in given])
        assert pickle_reader.main() == 0

    monkeypatch.setattr(pickle_reader, "_run_child", run)
    monkeypatch.setattr(pickle_reader, "_limit", lambda *limits: None)


IN_PROCESS = pytest.mark.usefixtures("in_process")


@pytest.fixture
def refused(tmp_path: Path, temporary: Path) -> Refused:
    """Refuse the file with these words, in one sentence with a hint, and leave nothing behind."""

    def check(path: Path, words: str, **limits: float) -> ModelError:
        with pytest.raises(ModelError, match=words) as caught:
            read_pickle(path, **limits)  # pyright: ignore
        error = caught.value
        assert str(path) in error.message
        assert "\n" not in error.message
        assert error.hint
        assert error.exit_code == 4
        assert list(temporary.iterdir()) == []
        assert not (tmp_path / "mark").exists(), "code of the file has run"
        return error

    return check


def check_plain(path: Path, temporary: Path, *, zipped: bool) -> None:
    shared = {**TENSORS, "again": TENSORS["b"], "turned": TENSORS["a.weight"].T}
    torch.save(shared, path, _use_new_zipfile_serialization=zipped)
    read = read_pickle(path)
    assert read.tensors.keys() == shared.keys()
    for name, tensor in shared.items():
        assert torch.equal(read.tensors[name], tensor)
        assert read.tensors[name].dtype == tensor.dtype
    assert (read.notes, read.unusable) == ((), {})
    assert list(temporary.iterdir()) == []


def test_plain_tensors_come_out_as_they_are(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What lies in the present folder is no module of the child's.
    (tmp_path / "torch.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    check_plain(tmp_path / "plain.pth", temporary, zipped=True)
    assert not (tmp_path / "mark").exists()


@IN_PROCESS
def test_so_do_those_of_the_format_before_1_6(tmp_path: Path, temporary: Path) -> None:
    check_plain(tmp_path / "plain.pth", temporary, zipped=False)


NESTED: dict[str, tuple[dict[str, object], str, tuple[str, ...]]] = {
    "lightning": ({"state_dict": TENSORS, "epoch": 3}, "state_dict", ("epoch",)),
    "vmamba": ({"model": TENSORS, "optimizer": {"lr": 1.0}}, "model", ("optimizer",)),
    "basicsr": (
        {"params": {"b": torch.zeros(4)}, "params_ema": TENSORS},
        "params_ema",
        ("params",),
    ),
}


@IN_PROCESS
@pytest.mark.parametrize("case", NESTED)
def test_nestings_are_taken_by_the_rules_and_said(case: str, tmp_path: Path) -> None:
    saved, taken, beside = NESTED[case]
    path = tmp_path / "nested.ckpt"
    torch.save(saved, path)
    read = read_pickle(path)
    assert torch.equal(read.tensors["b"], TENSORS["b"]), "not those of params beside params_ema"
    assert read.tensors.keys() == TENSORS.keys()
    note = f"the tensors are those of {taken}; left aside: {', '.join(beside)}"
    assert read.notes == (note,)
    torch.save({"model": saved}, path)
    assert read_pickle(path).notes == ("the tensors are those of model", *read.notes)


@IN_PROCESS
def test_what_is_no_float_tensor_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mixed.pth"
    mixed = {
        "fine": torch.ones(2), "double": torch.ones(2).double() / 3, "steps": torch.tensor(3),
        "sparse": torch.eye(3).to_sparse(), "name": "x", 7: torch.ones(1),
    }  # fmt: skip
    torch.save(mixed, path)
    read = read_pickle(path)
    assert read.tensors.keys() == {"fine", "double"}
    assert torch.equal(read.tensors["double"], torch.full((2,), 1 / 3))
    assert read.unusable == {
        "steps": "int64, strided", "sparse": "float32, sparse_coo", "name": "no tensor (str)",
        "7": "float32, strided",
    }  # fmt: skip
    assert read.notes == ("1 tensors of float64 are rounded to float32",)


def test_a_pickle_that_wants_to_run_code_is_refused(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "evil.pth"
    torch.save({**TENSORS, "e": RunsCode(tmp_path / "mark")}, path)
    refused(path, "may run code: (posix|nt).system")


@IN_PROCESS
@pytest.mark.parametrize("plain", [True, False], ids=["of pickle", "before 1.6"])
def test_so_is_one_of_another_format(plain: bool, tmp_path: Path, refused: Refused) -> None:
    path, evil = tmp_path / "evil.pkl", RunsCode(tmp_path / "mark")
    torch.save({"e": evil}, path, _use_new_zipfile_serialization=False)
    if plain:
        path.write_bytes(pickle.dumps(evil, protocol=2))
    refused(path, "may run code: (posix|nt).system")
    if plain:
        assert pickle.loads(path.read_bytes()) == 0, "the test itself works"
        assert (tmp_path / "mark").exists()


@IN_PROCESS
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.99])
def test_a_truncated_file_is_refused(
    share: float, zipped: bool, tmp_path: Path, refused: Refused
) -> None:
    path = tmp_path / "cut.pth"
    torch.save({"a": torch.randn(300, 30)}, path, _use_new_zipfile_serialization=zipped)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    refused(path, "is cut off, damaged, or was not written by torch.save")


@IN_PROCESS
def test_a_compressed_archive_is_refused(tmp_path: Path, refused: Refused) -> None:
    stored, packed = tmp_path / "stored.pth", tmp_path / "packed.pth"
    torch.save({"a": torch.zeros(10**6)}, stored)
    with (
        zipfile.ZipFile(stored) as source,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for part in source.infolist():
            target.writestr(part.filename, source.read(part))
    assert packed.stat().st_size < 20_000, "a bomb"
    refused(packed, "compresses nothing")


@IN_PROCESS
def test_a_number_that_has_changed_is_noticed(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "spoilt.pth"
    torch.save({"a": torch.full((100,), 1.25)}, path)
    number = torch.tensor(1.25).numpy().tobytes()
    path.write_bytes(path.read_bytes().replace(number, b"\0\0\0\0", 1))
    refused(path, "the checksum of spoilt/data/0 differs")


@IN_PROCESS
def test_one_number_that_claims_to_be_many_is_refused(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "wide.pth"
    torch.save({"a": torch.ones(1).expand(2**40)}, path)
    refused(path, "needs more memory than 512 MiB")


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")


@LINUX
def test_a_pickle_that_asks_for_all_memory_is_refused(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "greedy.pth"
    # bytearray(2**33): plain enough for weights_only.
    path.write_bytes(b"\x80\x02c__builtin__\nbytearray\n\x8a\x05" + b"\0\0\0\0\2" + b"\x85R.")
    refused(path, "needs more memory than 512 MiB")


@LINUX
def test_numbers_beyond_the_budget_are_refused(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "large.pth"
    torch.save({"a": torch.zeros(24 * 2**20)}, path)
    refused(path, "needs more memory than 32 MiB", budget=32 * 2**20)


def test_a_pickle_that_never_ends_is_given_up(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A tuple of itself twice, sixty times over, as the key of a table: hashing it takes years.
    path = tmp_path / "endless.pth"
    path.write_bytes(b"\x80\x02}K\x01" + b"q\0h\0\x86" * 60 + b"K\x02s.")
    children: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def watched(*args: object, **options: object) -> subprocess.Popen[bytes]:
        children.append(popen(*args, **options))  # pyright: ignore
        return children[-1]

    monkeypatch.setattr(subprocess, "Popen", watched)
    refused(path, "was not read within 6 s", seconds=6)
    assert [child.poll() for child in children] == [-9], "it was still at work, and is no more"


@LINUX
def test_a_crash_of_the_reader_is_a_refusal(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plain.pth"
    torch.save(TENSORS, path)
    code = "import os, sys; os.kill(os.getpid(), 11)"
    monkeypatch.setattr(pickle_reader, "CHILD", code)
    refused(path, r"died \(SIGSEGV\)")


@IN_PROCESS
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "nan.pth"
    torch.save({"fine": torch.ones(2), "bad": torch.tensor([1.0, float("nan")])}, path)
    refused(path, "bad is not finite")


@IN_PROCESS
@pytest.mark.parametrize("saved", [TENSORS["b"], {}, {"epoch": 3}, {"model": {}}, [TENSORS]])
def test_a_file_without_a_state_dict_is_refused(
    saved: object, tmp_path: Path, refused: Refused
) -> None:
    path = tmp_path / "other.pth"
    torch.save(saved, path)
    refused(path, "holds no state dict; found: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read .*absent\.pth"):
        read_pickle(tmp_path / "absent.pth")


def test_it_runs_by_itself(tmp_path: Path) -> None:
    path, folder = tmp_path / "plain.pth", tmp_path / "out"
    folder.mkdir()
    torch.save(TENSORS, path)
    command = [sys.executable, "-m", "serpent_cli.zoo.pickle_reader"]
    command += [str(path), str(folder), str(2**30), "60"]
    assert subprocess.run(command, check=False).returncode == 0
    assert {each.name for each in folder.iterdir()} == {"report.json", "tensors.safetensors"}
