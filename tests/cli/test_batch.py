"""Batches as users run them: trees, lists, pipes, runs that go on, forecasts."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Serpent = Callable[..., Any]
Model = tuple[str, Path]
COMMAND = [sys.executable, "-m", "serpent_cli"]


@pytest.fixture
def tree(photo_file: Path, tmp_path: Path) -> Path:
    """Three pictures in a tree, and two files that are none."""
    for name in ("a.png", "b/a.png", "b/c/d.png"):
        target = tmp_path / "tree" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo_file, target)
    (tmp_path / "tree" / "notes.txt").write_text("x")
    (tmp_path / "tree" / "b" / "Thumbs.db").write_text("x")
    return tmp_path / "tree"


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))


def test_a_tree_is_kept_and_strays_are_named(serpent: Serpent, model: Model, tree: Path) -> None:
    outcome = serpent("deblur", "-r", tree, *model)
    out = tree.with_name("tree_deblurred")
    assert outcome.code == 0
    assert outcome.out == [str(out / name) for name in ("a.png", "b/a.png", "b/c/d.png")]
    assert outcome.err == ["2 files that are not pictures were left alone: Thumbs.db, notes.txt"]
    assert names(out) == names(tree)


def test_a_second_run_does_only_what_is_missing(
    serpent: Serpent, model: Model, tree: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = ("deblur", "-r", tree, *model, "-o", out)
    assert serpent(*command).code == 0
    before = {name: (out / name).read_bytes() for name in names(out)}
    (out / "b" / "a.png").unlink()
    (out / "a.png").write_bytes(before["a.png"][:100])
    outcome = serpent(*command, "--json")
    states = {Path(r["output"]).relative_to(out).as_posix(): r["status"]
              for r in map(json.loads, outcome.out[:-1])}  # fmt: skip
    assert states == {"a.png": "failed", "b/a.png": "restored", "b/c/d.png": "skipped"}
    assert "exists" in outcome.err[-2], "a torn file may be the user's own: it is not replaced"
    assert serpent(*command, "--force").code == 0
    assert {name: (out / name).read_bytes() for name in names(out)} == before
    outcome = serpent(*command)
    assert (outcome.code, outcome.out) == (0, [])
    assert ", 3 skipped, 0 failed" in outcome.progress[-1]


def test_changed_options_and_inputs_are_done_again(
    serpent: Serpent, model: Model, tree: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = ("deblur", tree, *model, "-o", out)
    assert serpent(*command).code == 0
    first = (out / "a.png").read_bytes()
    outcome = serpent(*command, "--strength", "0.5")
    assert (outcome.code, outcome.out) == (0, [str(out / "a.png")])
    assert (out / "a.png").read_bytes() != first
    Image.open(tree / "a.png").rotate(180).save(tree / "a.png")
    assert serpent(*command, "--strength", "0.5").out == [str(out / "a.png")]


def test_lists_and_patterns(
    serpent: Serpent, model: Model, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.txt").write_text(f"{tree}/a.png\n{tree}/b/c/d.png\n")
    out = tmp_path / "out"
    outcome = serpent("deblur", f"@{tmp_path / 'list.txt'}", *model, "-o", out)
    assert outcome.out == [str(out / "a.png"), str(out / "d.png")]
    monkeypatch.chdir(tree)
    outcome = serpent("deblur", "**/d.png", *model, "-o", tmp_path / "globbed")
    assert outcome.out == [str(tmp_path / "globbed" / "d.png")]
    serpent("deblur", "*.bmp", *model).failed(3, "nothing matches")
    serpent("deblur", *model).failed(2, "no picture is named")


def test_names_from_standard_input(serpent_process: Serpent, model: Model, tree: Path) -> None:
    found = "\0".join(str(tree / name) for name in ("a.png", "b/c/d.png")) + "\0"
    outcome = serpent_process(
        "deblur", "--from0", *model, "--name", "{stem}_{task}{scale}.{ext}", input=found
    )
    assert (outcome.code, outcome.err) == (0, [])
    assert outcome.out == [str(tree / "a_deblur.png"), str(tree / "b" / "c" / "d_deblur.png")]


def test_a_picture_through_a_pipe(model: Model, photo: NDArray[np.uint8]) -> None:
    given = io.BytesIO()
    Image.fromarray(photo[:21, :35]).save(given, "JPEG", quality=80)
    words = [str(word) for word in model]
    for options, wanted in (([], "JPEG"), (["--format", "png"], "PNG")):
        done = subprocess.run(
            [*COMMAND, "deblur", "-", *words, *options, "-q"],
            input=given.getvalue(), capture_output=True, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
        result = Image.open(io.BytesIO(done.stdout))
        assert (result.format, result.size) == (wanted, (35, 21))
    done = subprocess.run(
        [*COMMAND, "deblur", "-", *words], input=b"nonsense", capture_output=True, timeout=60
    )
    assert done.returncode == 1
    assert b"error: " in done.stderr
    assert b"standard input" in done.stderr
    assert done.stdout == b""


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_pipe_that_closes_early_ends_quietly(
    model: Model, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    Image.fromarray(np.tile(photo, (2, 2, 1))).save(tmp_path / "in.png")
    command = [*COMMAND, "deblur", str(tmp_path / "in.png"), *map(str, model), "-q", "-o", "-"]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, timeout=60)
    assert done.stderr == b""
    assert done.returncode in (1, 141)


def test_several_pictures_do_not_fit_a_pipe(serpent: Serpent, model: Model, tree: Path) -> None:
    serpent("deblur", tree, *model, "-q", "-o", "-").failed(2, "cannot go to standard output")
    serpent("deblur", "-", tree, *model).failed(2, "standard input")


def test_a_size_is_reached_from_the_nearest_scale(
    serpent: Serpent, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    Image.fromarray(photo[:20, :30]).save(tmp_path / "in.png")
    outcome = serpent("upscale", tmp_path / "in.png", "--size", "105x200")
    assert outcome.code == 0, outcome.err
    assert outcome.out == [str(tmp_path / "in_upscaled.png")]
    assert Image.open(outcome.out[0]).size == (105, 70)
    mean = np.asarray(Image.open(outcome.out[0])).mean((0, 1))
    assert np.abs(mean - photo[:20, :30].mean((0, 1))).max() < 6, "the same picture"
    named = ("--model", "upscale-x4", "--size", "40x40", "-o", tmp_path / "named.png")
    assert Image.open(serpent("upscale", tmp_path / "in.png", *named).out[0]).size == (40, 27)
    outcome = serpent("deblur", tmp_path / "in.png", "--size", "50%")
    assert Image.open(outcome.out[0]).size == (15, 10)
    serpent("upscale", tmp_path / "in.png", "--size", "large").failed(2, "large")


def test_format_and_quality(
    serpent: Serpent, model: Model, photo_file: Path, tmp_path: Path
) -> None:
    sizes: list[int] = []
    for quality in ("30", "90"):
        out = tmp_path / quality
        outcome = serpent("deblur", photo_file, *model, "-o", out, "--format", "jpg", "--quality",
                          quality)  # fmt: skip
        assert outcome.out == [str(out / "cup.jpg")]
        assert Image.open(outcome.out[0]).format == "JPEG"
        sizes.append((out / "cup.jpg").stat().st_size)
    assert sizes[0] < sizes[1]
    serpent("deblur", photo_file, *model, "--format", "gif").failed(2, "'gif'")


def test_a_forecast_writes_nothing(
    serpent: Serpent, model: Model, tree: Path, tmp_path: Path
) -> None:
    (tree / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    out = tmp_path / "out"
    outcome = serpent("deblur", "-r", tree, *model, "-o", out, "-n", "--json")
    assert outcome.code == 1
    *records, summary = (json.loads(line) for line in outcome.out)
    assert not out.exists()
    states = [record["status"] for record in records]
    assert states == ["would restore", "would restore", "would restore", "would fail"]
    assert (records[0]["width"], records[0]["height"], records[0]["tiles"]) == (35, 21, 1)
    assert records[0]["memory"] > 10**8
    assert (summary["restored"], summary["skipped"], summary["failed"]) == (3, 0, 1)
    (tree / "broken.png").unlink()
    outcome = serpent("deblur", "-r", tree, *model, "-o", out, "-n")
    said = [f"{out / name}: 35 x 21, whole, " for name in names(tree)]
    assert [line[: len(start)] for line, start in zip(outcome.out, said, strict=True)] == said
    serpent("deblur", "-r", tree, *model, "-o", out)
    outcome = serpent("deblur", "-r", tree, *model, "-o", out, "-n")
    assert outcome.out == [f"{out / name}: done before" for name in names(tree)]
    assert "0 of 3 pictures would be restored" in outcome.err[-1]


def test_the_first_failure_may_end_the_run(serpent: Serpent, model: Model, tree: Path) -> None:
    (tree / "a.png").write_bytes(b"")
    outcome = serpent("deblur", "-r", tree, *model, "--fail-fast", "-o", tree.with_name("o"))
    assert outcome.code == 1
    assert len(outcome.out) <= 1, "the picture being restored meanwhile may come out"
    assert outcome.err[-2] == "1 of 3 pictures failed:"


def test_two_runs_never_share_a_folder(
    serpent: Serpent, model: Model, tree: Path, tmp_path: Path
) -> None:
    from filelock import FileLock

    out = tmp_path / "out"
    assert serpent("deblur", tree, *model, "-o", out).code == 0
    with FileLock(out / ".serpent.jsonl.lock"):
        serpent("deblur", tree, *model, "-q", "-o", out).failed(2, "another run is at work")


def test_a_manifest_is_absent_empty_or_ours(
    serpent: Serpent, model: Model, tree: Path, tmp_path: Path
) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("dear reader")
    command = ("deblur", "-q", tree, *model, "-o", tmp_path / "out", "--manifest")
    serpent(*command, letter).failed(2, "is not a manifest")
    assert letter.read_text() == "dear reader"
    serpent(*command, os.devnull).failed(2, "is no regular file")
    serpent(*command, tree / "a.png").failed(2, "is one of the pictures")
    serpent(*command, tmp_path / "out" / "a.png").failed(2, "is one of the pictures")
    assert not (tmp_path / "out").exists()
    (tmp_path / "notes").write_bytes(b"")
    assert serpent(*command, tmp_path / "notes").code == 0
    done = (tmp_path / "notes").read_text()
    (tmp_path / "notes").write_text(done + '{"output": 5}\n')
    outcome = serpent(*command, tmp_path / "notes")
    assert (outcome.code, len(outcome.err)) == (0, 1)
    assert "1 of its lines are damaged" in outcome.err[0]


def test_jobs_restore_pictures_side_by_side(
    serpent: Serpent, model: Model, tree: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert serpent("deblur", "-r", tree, *model, "-o", one).code == 0
    outcome = serpent("deblur", "-r", tree, *model, "-o", two, "--jobs", "2")
    assert outcome.code == 0
    assert sorted(outcome.out) == [str(two / name) for name in names(tree)]
    for name in names(tree):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    serpent("deblur", tree, *model, "--devices", "cpu,cuda:7", "-qf").failed(5, "cuda:7")
