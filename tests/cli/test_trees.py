"""Trees as they are on disks: what cannot be read or followed is named, and the rest is done."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Serpent = Callable[..., Any]
Model = tuple[str, Path]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of POSIX")


@pytest.fixture
def tree(photo_file: Path, tmp_path: Path) -> Path:
    """A picture, and one in a folder."""
    folder = tmp_path / "tree"
    (folder / "deeper").mkdir(parents=True)
    for name in ("a.png", "deeper/d.png"):
        (folder / name).write_bytes(photo_file.read_bytes())
    return folder


@pytest.fixture
def locked(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the tree that nobody may list; root may, so the system's word is put on."""
    found = tree / "locked"
    found.mkdir()
    (found / "x.png").write_bytes(b"x")
    before = os.listdir

    def listdir(path: Any = ".") -> list[str]:
        if Path(path) == found:
            raise PermissionError(13, "Permission denied", str(path))
        return before(path)

    monkeypatch.setattr("os.listdir", listdir)
    scan = os.scandir

    def scandir(path: Any = ".") -> Any:
        if Path(path) == found:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr("os.scandir", scandir)
    return found


def results(tree: Path) -> list[str]:
    out = tree.with_name("tree_deblurred")
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))


def test_a_folder_that_cannot_be_read_is_a_failure(
    serpent: Serpent, model: Model, tree: Path, locked: Path
) -> None:
    outcome = serpent("deblur", "-r", tree, *model)
    assert outcome.code == 1
    assert outcome.err[0] == f"error: cannot look into {locked}: Permission denied"
    assert outcome.err[-2:] == [
        "1 of 3 pictures failed:", f"  cannot look into {locked}: Permission denied",
    ]  # fmt: skip
    assert results(tree) == ["a.png", "deeper/d.png"]
    *records, summary = map(json.loads, serpent("deblur", "-r", tree, *model, "--json").out)
    assert (records[0]["input"], records[0]["status"]) == (str(locked), "failed")
    assert (records[0]["output"], records[0]["error"]) == (None, outcome.err[0][7:])
    assert (summary["files"], summary["skipped"], summary["failed"]) == (3, 2, 1)
    *records, summary = map(json.loads, serpent("deblur", "-r", tree, *model, "--json", "-n").out)
    assert (records[0]["status"], summary["failed"]) == ("would fail", 1)


def test_a_folder_alone_that_cannot_be_read(serpent: Serpent, model: Model, locked: Path) -> None:
    serpent("deblur", locked, *model).failed(3, f"cannot look into {locked}: Permission denied")


@pytest.mark.parametrize("recursive", [["-r"], []])
def test_links_that_lead_nowhere_are_failures(
    serpent: Serpent, model: Model, tree: Path, recursive: list[str]
) -> None:
    (tree / "loop.png").symlink_to("loop.png")
    (tree / "gone.png").symlink_to("nothing.png")
    outcome = serpent("deblur", *recursive, tree, *model)
    assert outcome.code == 1
    errors = [line for line in outcome.err if line.startswith("error:")]
    assert [word in line for word, line in zip(("gone.png", "loop.png"), errors, strict=True)]
    assert results(tree) == (["a.png", "deeper/d.png"] if recursive else ["a.png"])


def test_a_link_that_leads_to_itself_is_named_alone_too(
    serpent: Serpent, model: Model, tree: Path
) -> None:
    (tree / "loop.png").symlink_to("loop.png")
    serpent("deblur", tree / "loop.png", *model).failed(3, "loop.png")
    outcome = serpent("deblur", tree / "a.png", *model, "-o", tree / "loop.png")
    outcome.failed(1, "loop.png")


def test_linked_folders_pipes_and_sockets_are_left_alone_and_named(
    serpent: Serpent, model: Model, tree: Path
) -> None:
    (tree / "again").symlink_to(tree)
    os.mkfifo(tree / "pipe.png")
    outcome = serpent("deblur", "-r", tree, *model)
    assert outcome.code == 0
    assert outcome.err == [
        "1 linked folder was left alone: again", "1 pipe or device was left alone: pipe.png",
    ]  # fmt: skip
    assert results(tree) == ["a.png", "deeper/d.png"]


def test_linked_pictures_are_pictures(serpent: Serpent, model: Model, tree: Path) -> None:
    (tree / "link.png").symlink_to("a.png")
    assert serpent("deblur", tree, *model).code == 0
    assert results(tree) == ["a.png", "link.png"]


def again(serpent: Serpent, *command: str | Path) -> list[str]:
    """Run it, then again with whatever lies there by then; returns what the second run says."""
    first, second = command, command
    if command[-1] == "*":
        folder = Path(command[-2])
        first = (*command[:-2], *sorted(folder.glob("*.png")))
    outcome = serpent(*first)
    assert outcome.code == 0, outcome.err
    before = {path: path.read_bytes() for path in Path(outcome.out[0]).parent.rglob("*.*")}
    if command[-1] == "*":
        second = (*command[:-2], *sorted(Path(command[-2]).glob("*.png")))
    for _ in range(2):
        outcome = serpent(*second)
        assert (outcome.code, outcome.out) == (0, []), outcome.err
        after = {path: path.read_bytes() for path in before}
        assert after == before
    return outcome.err


def test_the_same_pattern_again(serpent: Serpent, model: Model, tree: Path) -> None:
    (tree / "b.png").write_bytes((tree / "a.png").read_bytes())
    assert again(serpent, "deblur", *model, tree, "*") == [
        "2 of the files are results of an earlier run, and no inputs",
        "2 of 2 pictures had been done before",
    ]
    assert sorted(path.name for path in tree.glob("*.png")) == [
        "a.png", "a_deblurred.png", "b.png", "b_deblurred.png",
    ]  # fmt: skip


def test_a_tree_into_itself_again(serpent: Serpent, model: Model, tree: Path) -> None:
    serpent("deblur", "-r", tree, *model, "-o", tree).failed(2, "is an input")
    for options in (["--name", "{stem}_d.{ext}"], ["--format", "jpg"]):
        said = again(serpent, "deblur", "-r", tree, *model, "-o", tree, *options)
        assert said[-1] == "2 of 2 pictures had been done before"
        for path in [*tree.rglob("*_d.png"), *tree.rglob("*.jpg"), tree / ".serpent.jsonl"]:
            path.unlink()


def test_folders_side_by_side_again(
    serpent: Serpent, model: Model, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "other").mkdir()
    (tree / "other" / "a.png").write_bytes((tree / "a.png").read_bytes())
    command = ("deblur", "-q", *model)
    assert serpent(*command, tree / "deeper", tree / "other").code == 0
    folders = sorted(path for path in tree.iterdir() if path.is_dir())
    assert len(folders) == 4
    outcome = serpent(*command, *folders, "--json")
    assert outcome.code == 0
    assert [json.loads(line).get("status") for line in outcome.out] == ["skipped"] * 2 + [None]


def test_a_file_of_the_users_is_never_taken_for_a_result(
    serpent: Serpent, model: Model, tree: Path
) -> None:
    for name in ("b.png", "a_deblurred.png"):
        (tree / name).write_bytes((tree / "a.png").read_bytes())
    serpent("deblur", *model, *sorted(tree.glob("*.png"))).failed(2, "is an input")
    (tree / "a_deblurred.png").unlink()
    assert serpent("deblur", *model, *sorted(tree.glob("*.png"))).code == 0
    (tree / "a_deblurred.png").write_bytes((tree / "a.png").read_bytes())
    serpent("deblur", "-q", *model, *sorted(tree.glob("*.png"))).failed(2, "is an input")
    serpent("deblur", "-qf", *model, *sorted(tree.glob("*.png"))).failed(2, "is an input")
