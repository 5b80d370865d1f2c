"""The same command a second time: what is done is known, and no result is restored once more."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serpent_cli.batch.manifest import NAME, Manifest, append
from serpent_cli.whole_files import alone_with

Serpent = Callable[..., Any]
Model = tuple[str, Path]


@pytest.fixture
def here(photo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, which holds one picture."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "a.png").write_bytes(photo_file.read_bytes())
    monkeypatch.chdir(folder)
    return folder


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Each picture with its content and the moment it was last written."""
    found = [path for path in folder.rglob("*.*") if path.is_file() and path.name[0] != "."]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def glob(pattern: str = "*.png") -> list[str]:
    return sorted(str(path) for path in Path().glob(pattern))


def nothing_more(serpent: Serpent, *command: Any) -> list[str]:
    """Run a command that has nothing left to do, thrice; returns what it says at last."""
    before, outcome = contents(Path()), None
    for _ in range(3):
        outcome = serpent(*command)
        assert (outcome.code, outcome.out) == (0, []), outcome.err
        assert contents(Path()) == before
    assert outcome is not None
    return outcome.err


def test_a_picture_alone_again(serpent: Serpent, model: Model, here: Path) -> None:
    assert serpent("deblur", "a.png", *model).out == ["a_deblurred.png"]
    said = nothing_more(serpent, "deblur", "a.png", *model)
    assert said == ["a_deblurred.png had been done before"]
    *records, summary = map(json.loads, serpent("deblur", "a.png", *model, "--json").out)
    assert [each["status"] for each in records] == ["skipped"]
    assert (summary["skipped"], summary["failed"]) == (1, 0)
    (line,) = serpent("deblur", "a.png", *model, "-n").out
    assert line == "a_deblurred.png: done before"


def test_a_pattern_that_matches_one_picture_and_then_its_result(
    serpent: Serpent, model: Model, here: Path
) -> None:
    assert serpent("deblur", *glob(), *model).code == 0
    assert glob() == ["a.png", "a_deblurred.png"]
    said = nothing_more(serpent, "deblur", *glob(), *model)
    assert said == [
        "1 of the files is a result of an earlier run, and no input",
        "a_deblurred.png had been done before",
    ]
    (here / "b.png").write_bytes((here / "a.png").read_bytes())
    assert serpent("deblur", *glob(), *model).out == ["b_deblurred.png"]
    nothing_more(serpent, "deblur", *glob(), *model)
    nothing_more(serpent, "deblur", "*.png", *model)


def test_a_result_is_not_restored_when_its_input_is_gone(
    serpent: Serpent, model: Model, here: Path
) -> None:
    assert serpent("deblur", "a.png", *model).code == 0
    (here / "a.png").unlink()
    said = nothing_more(serpent, "deblur", *glob(), *model)
    assert said[0] == "1 of the files is a result of an earlier run, and no input"
    assert said[1].startswith("hint: give --force, or -o")
    assert nothing_more(serpent, "deblur", "-q", "a_deblurred.png", *model) == []
    assert serpent("deblur", *glob(), *model, "-o", "more").out == ["more/a_deblurred.png"]
    assert serpent("deblur", *glob(), *model, "--force").out == ["a_deblurred_deblurred.png"]


def test_results_of_another_model_are_inputs(
    serpent: Serpent, model: Model, here: Path, make_weights: Callable[..., Path]
) -> None:
    assert serpent("deblur", "a.png", *model).code == 0
    other = "--model", make_weights("another")
    assert serpent("deblur", "a_deblurred.png", *other).out == ["a_deblurred_deblurred.png"]


def test_what_has_changed_is_done_again(serpent: Serpent, model: Model, here: Path) -> None:
    assert serpent("deblur", "a.png", *model).code == 0
    first = (here / "a_deblurred.png").read_bytes()
    assert serpent("deblur", "a.png", *model, "--strength", "0.5").code == 0
    second = (here / "a_deblurred.png").read_bytes()
    assert first != second
    (here / "a_deblurred.png").write_bytes((here / "a.png").read_bytes())
    serpent("deblur", "a.png", *model).failed(1, "a_deblurred.png exists")
    assert (here / "a_deblurred.png").read_bytes() == (here / "a.png").read_bytes()


def test_a_named_target_is_replaced_only_on_demand(
    serpent: Serpent, model: Model, here: Path
) -> None:
    command = ("deblur", "a.png", *model, "-o", "named.png")
    assert serpent(*command).code == 0
    assert not (here / NAME).exists(), "no file is left that nobody asked for"
    serpent(*command).failed(1, "named.png exists")
    assert serpent("deblur", "a.png", *model).code == 0
    # Noted beside it: the same input, model and options.
    target = ("-o", "a_deblurred.png")
    assert nothing_more(serpent, "deblur", "a.png", *model, *target)
    changed = ("deblur", "a.png", *model, *target, "--strength", "0.5")
    serpent(*changed).failed(1, "a_deblurred.png exists")
    assert serpent(*changed, "-f").code == 0
    nothing_more(serpent, *changed)


def test_alone_then_with_others_then_alone(serpent: Serpent, model: Model, here: Path) -> None:
    for name in ("one", "two"):
        (here / name).mkdir()
        (here / name / "a.png").write_bytes((here / "a.png").read_bytes())
        if name == "one":
            assert serpent("deblur", "one/a.png", *model).code == 0
    both = serpent("deblur", *glob("*/*.png"), *model)
    assert (both.code, both.out) == (0, ["two/a_deblurred.png"]), both.err
    nothing_more(serpent, "deblur", "two/a.png", *model)  # noted in the folder above
    nothing_more(serpent, "deblur", *glob("*/*.png"), *model)
    assert serpent("deblur", "-r", "one", "-o", "out", *model, "--name", "x.png").code != 0
    assert serpent("deblur", "-r", "one", "two", "-o", "out", *model).code == 2


def test_a_tree_then_one_of_it(serpent: Serpent, model: Model, here: Path) -> None:
    (here / "in/deep").mkdir(parents=True)
    (here / "in/deep/a.png").write_bytes((here / "a.png").read_bytes())
    assert serpent("deblur", "-r", "in", "-o", "out", *model).code == 0
    nothing_more(serpent, "deblur", "in/deep/a.png", "-o", "out/deep/a.png", *model)


def test_nothing_that_cannot_be_noted_is_a_failure(
    serpent: Serpent, model: Model, here: Path
) -> None:
    for make in (lambda path: path.mkdir(), lambda path: path.write_text("no manifest")):
        make(here / NAME)
        assert serpent("deblur", "a.png", *model).code == 0
        serpent("deblur", "a.png", *model).failed(1, "a_deblurred.png exists")
        (here / "a_deblurred.png").unlink()
        if (here / NAME).is_dir():
            (here / NAME).rmdir()
    assert (here / NAME).read_text() == "no manifest"


def test_a_torn_line_and_a_run_beside_it(serpent: Serpent, model: Model, here: Path) -> None:
    with Manifest(here / NAME, {"model": "other"}, {"memory": 5}) as busy:
        assert serpent("deblur", "a.png", *model).code == 0, "the folder's run is not in its way"
        nothing_more(serpent, "deblur", "a.png", *model)
        assert busy.plan == {"memory": 5}
    with (here / NAME).open("ab") as stream:
        stream.write(b'{"input": "kil')
    (here / "b.png").write_bytes((here / "a.png").read_bytes())
    assert serpent("deblur", "b.png", *model).code == 0
    nothing_more(serpent, "deblur", *glob(), *model)


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_many_alone_at_once_lose_no_line(model: Model, here: Path) -> None:
    names = [f"{number}.png" for number in range(6)]
    for name in names:
        (here / name).write_bytes((here / "a.png").read_bytes())
    command = [sys.executable, "-m", "serpent_cli", "deblur", "-q", *map(str, model)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    running = [subprocess.Popen([*command, name], env=environment) for name in names]
    assert [each.wait(120) for each in running] == [0] * len(names)
    lines = [json.loads(line) for line in (here / NAME).read_text().splitlines()]
    noted = sorted(each["output"] for each in lines if "output" in each)
    assert noted == [f"{number}_deblurred.png" for number in range(6)]


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_a_line_waits_for_whoever_is_writing(tmp_path: Path) -> None:
    path = tmp_path / NAME
    with path.open("a+b", buffering=0) as one, path.open("a+b", buffering=0) as two:
        waiting = threading.Thread(target=append, args=(two, b"second\n"))
        with alone_with(one):
            waiting.start()
            waiting.join(0.3)
            assert waiting.is_alive()
            one.write(b"first\n")
        waiting.join(10)
    assert path.read_bytes() == b"first\nsecond\n"
