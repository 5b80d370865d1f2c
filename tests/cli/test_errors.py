"""Whatever is wrong: one sentence, its own exit code, no traceback, nothing half-written."""

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


@pytest.fixture(autouse=True)
def nothing_left_over(tmp_path: Path) -> Any:
    yield
    assert not [path for path in tmp_path.rglob("*") if ".part" in path.name]


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda data: b"", "is empty"),
    "truncated": (lambda data: data[: len(data) // 2], ""),
    "corrupt": (lambda data: data[:60] + bytes(60) + data[120:], ""),
    "no picture": (lambda data: b"just some text " * 9, ""),
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_pictures(how: str, serpent: Serpent, model: Model, photo_file: Path) -> None:
    spoil, words = BROKEN[how]
    photo_file.write_bytes(spoil(photo_file.read_bytes()))
    outcome = serpent("deblur", photo_file, *model)
    outcome.failed(1, words)
    assert photo_file.name in outcome.err[0]
    assert outcome.out == []
    assert not photo_file.with_name("cup_deblurred.png").exists()


def test_bombs(serpent: Serpent, model: Model, photo_file: Path) -> None:
    outcome = serpent("deblur", photo_file, *model, "--max-pixels", "700")
    outcome.failed(1, "pixels")
    assert "--max-pixels" in outcome.hint
    assert serpent("deblur", photo_file, *model, "--max-pixels", "735").code == 0


def test_existing_targets_are_kept(serpent: Serpent, model: Model, photo_file: Path) -> None:
    target = photo_file.with_name("cup_deblurred.png")
    target.write_bytes(b"precious")
    outcome = serpent("deblur", photo_file, *model)
    outcome.failed(1, "exists")
    assert "--force" in outcome.hint
    assert target.read_bytes() == b"precious"
    assert serpent("deblur", photo_file, *model, "--force").code == 0
    assert Image.open(target).size == (35, 21)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that root cannot write")
def test_folders_that_must_not_be_written(
    serpent: Serpent, model: Model, photo_file: Path, tmp_path: Path
) -> None:
    serpent("deblur", photo_file, *model, "-o", "/proc/out.png").failed(1, "/proc/out.png")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if not os.access(locked, os.W_OK):
        serpent("deblur", photo_file, *model, "-o", locked / "out.png").failed(1, "locked")


@pytest.mark.parametrize("target", ["file.png/out.png", "folder.png"])
def test_targets_that_cannot_be_written(
    target: str, serpent: Serpent, model: Model, photo_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "file.png").write_bytes(b"x")
    (tmp_path / "folder.png" / "cup.png").mkdir(parents=True)
    outcome = serpent("deblur", photo_file, *model, "-o", tmp_path / target, "--force")
    outcome.failed(1, target.partition("/")[0])


def test_formats_that_are_not_written(
    serpent: Serpent, model: Model, photo_file: Path, tmp_path: Path
) -> None:
    serpent("deblur", photo_file, *model, "-o", tmp_path / "out.xyz").failed(2, ".xyz")
    assert not (tmp_path / "out.xyz").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--tile", "wide"], "--tile wide is not auto, whole or a number"),
        (["--tile", "0"], "--tile 0"),
        (["--tile", "-5"], "--tile -5"),
        (["--tile", "20"], "at least 64 pixels"),
        (["--region", "1,2,3"], "is not four whole numbers"),
        (["--region", "1,2,3,-4"], "is not four whole numbers"),
        (["--region", "a,b,c,d"], "is not four whole numbers"),
        (["--max-memory", "lots"], "invalid memory size 'lots'"),
        (["--unknown"], "--unknown"),
        (["--max-pixels", "0"], "--max-pixels"),
        (["--threads", "x"], "--threads"),
        (["-o"], "-o"),
    ],
)
def test_usage(
    args: list[str], words: str, serpent: Serpent, model: Model, photo_file: Path
) -> None:
    serpent("deblur", photo_file, *model, *args).failed(2, words)
    assert not photo_file.with_name("cup_deblurred.png").exists()


def test_commands_that_do_not_exist(serpent: Serpent) -> None:
    serpent("sharpen").failed(2, "sharpen")
    serpent("deblur").failed(2, "")


def test_regions_outside_the_picture(serpent: Serpent, model: Model, photo_file: Path) -> None:
    outcome = serpent("deblur", photo_file, *model, "--region", "30,0,10,10")
    outcome.failed(2, "does not lie in the 35 x 21 picture")


def test_models_of_another_scale(
    serpent: Serpent, model: Model, enlarger: Model, photo_file: Path
) -> None:
    serpent("upscale", photo_file, *model).failed(2, "enlarges by 1, not by 8")
    serpent("deblur", photo_file, *enlarger).failed(2, "enlarges by 8, not by 1")


def test_missing_inputs(serpent: Serpent, model: Model, tmp_path: Path) -> None:
    serpent("deblur", tmp_path / "none.png", *model).failed(3, "none.png")
    (tmp_path / "hollow").mkdir()
    serpent("deblur", tmp_path / "hollow", *model).failed(3, "no picture was found")


def test_unknown_models(serpent: Serpent, photo_file: Path) -> None:
    outcome = serpent("deblur", photo_file, "--model", "debler")
    outcome.failed(4, "there is no model named 'debler'")
    assert "did you mean deblur" in outcome.hint
    serpent("deblur", photo_file, "--model", "./none.safetensors").failed(4, "none.safetensors")
    serpent("upscale", photo_file, "--scale", "3").failed(4, "no bundled model enlarges by 3")
    serpent("models", "info", "debler").failed(4, "debler")


def test_corrupt_weights(serpent: Serpent, model: Model, photo_file: Path) -> None:
    model[1].with_suffix(".json").unlink()
    model[1].write_bytes(model[1].read_bytes()[:-10])
    outcome = serpent("deblur", photo_file, *model)
    outcome.failed(4, "are corrupt")
    assert outcome.hint


@pytest.mark.parametrize("device", ["cuda:42", "xpu:42", "abacus"])
def test_absent_devices(device: str, serpent: Serpent, model: Model, photo_file: Path) -> None:
    outcome = serpent("deblur", photo_file, *model, "--device", device)
    outcome.failed(5, device)
    assert outcome.hint


def test_precision_and_memory_of_a_device(
    serpent: Serpent, model: Model, photo_file: Path, tmp_path: Path
) -> None:
    serpent("deblur", photo_file, *model, "--precision", "fp8").failed(2, "--precision fp8")
    serpent("deblur", photo_file, *model, "--max-vram", "lots").failed(2, "'lots'")
    done = serpent(
        "deblur", photo_file, *model, "--device", "cpu", "--max-vram", "1M", "--precision", "bf16",
        "-o", tmp_path / "out.png",
    )  # fmt: skip
    assert done.code == 0, "a CPU has no memory of its own to exceed"


def test_the_good_pictures_of_a_batch_are_written(
    serpent: Serpent, model: Model, photo_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "trip"
    folder.mkdir()
    for name in ("a.png", "c.png"):
        shutil.copy(photo_file, folder / name)
    (folder / "b.png").write_bytes(b"")
    outcome = serpent("deblur", folder, *model)
    assert outcome.code == 1
    assert [line for line in outcome.err if line.startswith("error:")] == [outcome.err[0]]
    assert outcome.err[0].endswith("b.png: the file is empty")
    assert outcome.err[-2] == "1 of 3 pictures failed:"
    assert outcome.err[-1].strip() == outcome.err[0].removeprefix("error: "), "again, last"
    written = sorted(path.name for path in (tmp_path / "trip_deblurred").glob("[!.]*"))
    assert written == ["a.png", "c.png"]
    assert outcome.out == [str(tmp_path / "trip_deblurred" / name) for name in written]


def test_too_little_memory_names_enough(
    serpent: Serpent, model: Model, photo_file: Path, photo: NDArray[np.uint8]
) -> None:
    Image.fromarray(np.tile(photo, (4, 4, 1))).save(photo_file)
    outcome = serpent("deblur", photo_file, *model, "--max-memory", "10M")
    outcome.failed(1, "of memory")
    assert "--max-memory" in outcome.hint


def test_debugging_shows_the_traceback(
    serpent: Serpent, photo_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from serpent_cli.cli.app import main
    from serpent_cli.errors import ModelError

    monkeypatch.setenv("SERPENT_DEBUG", "1")
    with pytest.raises(ModelError):
        main(["deblur", str(photo_file), "--model", "debler"])


@pytest.mark.parametrize(
    "words",
    [
        ["deblur", ""],
        ["deblur", "", "-o", "q1.png"],
        ["deblur", "cup.png", "-o", ""],
        ["deblur", "cup.png", "--manifest", ""],
        ["compare", "", "cup.png", "-o", "page.html"],
        ["eval", "deblur", "--photos", ""],
        ["train", "", "--photos", "."],
    ],
)
def test_an_empty_word_is_not_the_working_folder(
    words: list[str], serpent: Serpent, photo_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photo_file.parent)
    serpent(*words).failed(2, "there is an empty word")
    assert [path.name for path in photo_file.parent.iterdir()] == ["cup.png"]


@pytest.mark.parametrize("options", [["--name", "{stem}.png"], []])
def test_several_results_make_no_folder_that_is_called_a_picture(
    options: list[str], serpent: Serpent, model: Model, photos: Path, tmp_path: Path
) -> None:
    shutil.copy(photos / "cup.png", photos / "b.png")
    for inputs in ([photos], sorted(photos.iterdir())):
        outcome = serpent("deblur", *inputs, *model, *options, "-o", tmp_path / "q1.png")
        outcome.failed(2, "q1.png is the name of one picture")
        assert not (tmp_path / "q1.png").exists()
    (tmp_path / "q1.png").mkdir()
    assert serpent("deblur", photos, *model, *options, "-o", tmp_path / "q1.png").code == 0


LONG = "n" * 300


@pytest.mark.parametrize(
    "words",
    [
        ["deblur", LONG],
        ["deblur", f"{LONG}*.png"],
        ["deblur", f"@{LONG}"],
        ["deblur", "cup.png", "-o", f"{LONG}.png"],
        ["deblur", "cup.png", "-o", LONG],
        ["deblur", "cup.png", "-o", f"{LONG}/"],
        ["deblur", "cup.png", "--name", f"{LONG}.png"],
        ["deblur", "cup.png", "--manifest", LONG],
        ["deblur", "cup.png", "--model", f"./{LONG}.safetensors"],
        ["deblur", "cup.png", "--model", LONG],
        ["deblur", "cup.png", "--dry-run", "-o", f"{LONG}.png"],
        ["models", "info", f"./{LONG}.safetensors"],
        ["models", "verify", f"./{LONG}.safetensors"],
        ["compare", LONG, "cup.png", "-o", "page.html"],
        ["compare", "cup.png", "cup.png", "-o", f"{LONG}.html"],
        ["train", f"{LONG}.toml", "--photos", "."],
        ["eval", "deblur", "--photos", LONG],
    ],
)
def test_names_that_are_too_long(
    words: list[str], serpent: Serpent, photo_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photo_file.parent)
    outcome = serpent(*words)
    assert outcome.code in (1, 2, 3, 4)
    outcome.failed(outcome.code, "nnnn")
    left = [path.name for path in photo_file.parent.iterdir() if ".lock" not in path.name]
    assert left == ["cup.png"]


def test_a_folder_that_cannot_be_gone_through(
    serpent: Serpent, model: Model, photo_file: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    stat = Path.stat

    def locked(path: Path, **options: bool) -> os.stat_result:
        if "locked" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", locked)
    inside = tmp_path / "locked" / "in.png"
    serpent("deblur", inside, *model).failed(1, f"cannot look for {inside}: Permission denied")
    for target in (inside, inside.parent / "out"):
        serpent("deblur", photo_file, *model, "-o", target).failed(1, "Permission denied")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize(
    "words",
    [["models", "list"], ["--help"], ["deblur", "cup.png", "-o", "-"], ["deblur", "cup.png"],
     ["deblur", "cup.png", "--json"], ["models", "info", "deblur"], ["--version"]],
)  # fmt: skip
def test_standard_output_that_is_full(words: list[str], photo_file: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "serpent_cli", *words], stdout=full,
            stderr=subprocess.PIPE, text=True, cwd=photo_file.parent, timeout=60,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
    assert done.returncode == 1
    lines = [each for each in done.stderr.splitlines() if not each.startswith(("loading", "1/1 "))]
    assert lines[0] == "error: cannot write to standard output: No space left on device"
    assert [line.split(":")[0] for line in lines] == ["error", "hint"]


@pytest.mark.parametrize(
    "template",
    ["{stem:>99999999999}.png", "{stem:256}.png", "{stem:>{scale}}.png", "{stem!x}.png",
     "{stem:.99999999999999999999}.png", "{stem[0]}.png", "{0}.png", "{stem:d}.png"],
)  # fmt: skip
def test_templates_of_names_that_cannot_be_filled_in(
    template: str, serpent: Serpent, model: Model, photo_file: Path
) -> None:
    serpent("deblur", photo_file, *model, "--name", template).failed(2, "--name")


@pytest.mark.parametrize(
    "odd",
    [
        {"scores": [{}]},
        {"scores": [{"suite": "a", "case": "b", "files": "x", "after_db": "high"}]},
        {"trained": {"runs": [{}]}},
        {"trained": {"runs": 5}},
        {"trained": {"runs": [{"command": 1, "steps": 2, "crops": 3, "seconds": "x"}]}},
        {"data": [{"images": "many"}, {}]},
        {"limits": [5, None]},
    ],
)
def test_odd_cards_are_shown(odd: dict[str, Any], serpent: Serpent, model: Model) -> None:
    card = model[1].with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | odd))
    outcome = serpent("models", "info", model[1])
    assert (outcome.code, outcome.err) == (0, [])
    assert serpent("models", "info", model[1], "--json").code == 0


@pytest.mark.parametrize(
    "odd",
    [{"scores": {}}, {"scores": [5]}, {"trained": []}, {"data": [None]}, {"limits": "none"}],
)
def test_malformed_cards_are_one_sentence(
    odd: dict[str, Any], serpent: Serpent, model: Model
) -> None:
    card = model[1].with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | odd))
    serpent("models", "info", model[1]).failed(4, "malformed")


@pytest.mark.parametrize("words", [["-"], ["--from0"]])
def test_nobody_types_a_picture(
    words: list[str], serpent: Serpent, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    outcome = serpent("deblur", *words, *model, "-o", "out.png")
    outcome.failed(2, "standard input is the terminal")
    assert "redirect" in outcome.hint


WRONG_VALUES = [
    (("upscale", "--style", "x"), "--style: 'x' is not one of natural, crisp"),
    (("deblur", "--engine", "it's"), '--engine: "it\'s" is not one of local, ray'),
    (("denoise", "--bands", "x"), "--bands: 'x' is not one of auto, first, last"),
    (("upscale", "-s", "x"), "--scale: 'x' is not a whole number"),
    (("upscale", "--scale", "0"), "--scale: 0 is less than 1"),
    (("deblur", "--strength", "x"), "--strength: 'x' is not a number"),
    (("deblur", "--strength", "1.5"), "--strength: 1.5 is more than 1"),
    (("deblur", "--strength", "nan"), "--strength: 'nan' is not a number"),
    (("eval", "--scale", "-2"), "--scale: -2 is less than 1"),
]


@pytest.mark.parametrize(("words", "sentence"), WRONG_VALUES)
def test_a_value_that_an_option_does_not_take(
    words: tuple[str, ...], sentence: str, serpent: Serpent, photo_file: Path
) -> None:
    """Our own sentence: the library's speaks of an input, and does not say which value it was."""
    outcome = serpent(*words, photo_file)
    outcome.failed(2, sentence)
    assert outcome.err[0] == f"error: {sentence}"
    assert outcome.hint == f"hint: `serpent {words[0]} --help` lists the options"
