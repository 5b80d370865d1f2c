"""`deblur` and `upscale` as users run them: names, output, metadata."""

import io
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

Serpent = Callable[..., Any]
Model = tuple[str, Path]


def test_a_picture_is_restored_beside_itself(
    serpent: Serpent, model: Model, photo_file: Path
) -> None:
    outcome = serpent("deblur", photo_file, *model)
    target = photo_file.with_name("cup_deblurred.png")
    assert (outcome.code, outcome.out, outcome.err) == (0, [str(target)], [])
    before, after = (np.asarray(Image.open(path)).astype(int) for path in (photo_file, target))
    assert after.shape == before.shape
    assert 0 < np.abs(after - before).mean() < 20, "changed, but the same picture"


def test_a_picture_is_enlarged_beside_itself(
    serpent: Serpent, enlarger: Model, photo_file: Path
) -> None:
    outcome = serpent("upscale", photo_file, *enlarger)
    target = photo_file.with_name("cup_x8.png")
    assert (outcome.code, outcome.out) == (0, [str(target)])
    assert Image.open(target).size == (280, 168)


@pytest.mark.parametrize(("command", "tag"), [("deblur", "deblurred"), ("upscale", "x8")])
def test_folders_get_a_sister(
    command: str, tag: str, serpent: Serpent, model: Model, enlarger: Model, photo_file: Path
) -> None:
    folder = photo_file.parent / "trip"
    folder.mkdir()
    shutil.copy(photo_file, folder / "a.png")
    Image.open(photo_file).save(folder / "b.jpg")
    outcome = serpent(command, folder, *(model if command == "deblur" else enlarger))
    sister = photo_file.parent / f"trip_{tag}"
    assert outcome.out == [str(sister / "a.png"), str(sister / "b.jpg")]
    assert [Image.open(path).format for path in outcome.out] == ["PNG", "JPEG"]


def test_output_files_and_folders(
    serpent: Serpent, model: Model, photo_file: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second.png"
    shutil.copy(photo_file, second)
    assert serpent("deblur", photo_file, *model, "-o", tmp_path / "o.tif").code == 0
    assert Image.open(tmp_path / "o.tif").format == "TIFF"
    outcome = serpent("deblur", photo_file, second, *model, "-o", tmp_path / "sharp")
    assert outcome.out == [str(tmp_path / "sharp" / name) for name in ("cup.png", "second.png")]


def test_collisions_are_found_before_any_work(
    serpent: Serpent, model: Model, photo_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "cup.png"
    other.parent.mkdir()
    shutil.copy(photo_file, other)
    out = tmp_path / "out"
    serpent("deblur", photo_file, other, *model, "-o", out).failed(2, "would both become")
    assert not out.exists()
    serpent("deblur", photo_file, *model, "-o", photo_file, "-f").failed(2, "would be overwritten")


def test_json_lines(serpent: Serpent, model: Model, photo_file: Path) -> None:
    broken = photo_file.with_name("broken.png")
    broken.write_bytes(b"")
    outcome = serpent("deblur", photo_file, broken, *model, "-o", photo_file.parent / "o", "--json")
    assert outcome.code == 1
    good, bad, summary = (json.loads(line) for line in outcome.out)
    assert good["input"] == str(photo_file)
    assert good["output"] == str(photo_file.parent / "o" / "cup.png")
    assert (good["width"], good["height"], good["tiles"], good["warnings"]) == (35, 21, 1, [])
    assert good["seconds"] > 0
    assert good["change"].keys() == {"mean_levels", "share", "mean_levels_there", "where"}
    assert good["change"]["mean_levels"] > 0 and "change" not in bad
    assert "error" not in good
    assert "is empty" in bad["error"]
    seconds = summary.pop("seconds")
    assert 0 < seconds < 60
    counts = {"files": 2, "restored": 1, "skipped": 0, "failed": 1}
    assert summary == {"summary": True, **counts}
    assert (good["status"], bad["status"]) == ("restored", "failed")


def test_quiet_is_silent_but_for_errors(serpent: Serpent, model: Model, photo_file: Path) -> None:
    outcome = serpent("deblur", photo_file, *model, "-q")
    assert (outcome.code, outcome.out, outcome.err) == (0, [], [])
    outcome = serpent("deblur", photo_file, *model, "-q")
    assert (outcome.code, outcome.out, outcome.err) == (0, [], []), "done before"
    target = photo_file.with_name("named.png")
    target.write_bytes(photo_file.read_bytes())
    serpent("deblur", photo_file, *model, "-q", "-o", target).failed(1, "exists")


def test_a_region_is_restored_alone(serpent: Serpent, enlarger: Model, photo_file: Path) -> None:
    outcome = serpent("upscale", photo_file, *enlarger, "--region", "3,4,10,5")
    assert outcome.code == 0
    assert Image.open(outcome.out[0]).size == (80, 40)


@pytest.mark.parametrize(
    "options", [["--tile", "64"], ["--tile", "whole"], ["--max-memory", "2G"], ["--threads", "1"]]
)
def test_options_do_not_move_the_picture(
    options: list[str], serpent: Serpent, model: Model, photo_file: Path, photo: NDArray[np.uint8]
) -> None:
    Image.fromarray(photo).save(photo_file)
    plain = serpent("deblur", photo_file, *model, "-o", photo_file.with_name("plain.png"))
    other = serpent("deblur", photo_file, *model, "-o", photo_file.with_name("o.png"), *options)
    assert (plain.code, other.code) == (0, 0)
    first, second = (np.asarray(Image.open(o.out[0])).astype(int) for o in (plain, other))
    assert np.abs(first - second).mean() < 1


def test_metadata_comes_out_of_the_other_end(
    serpent: Serpent, enlarger: Model, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation] = "Camera", 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FNumber] = 2.8
    source, target = tmp_path / "in.jpg", tmp_path / "out.jpg"
    picture = Image.fromarray(photo[:21, :35])
    picture.save(source, exif=exif, icc_profile=profile, dpi=(300, 300), quality=95)
    assert serpent("upscale", source, *enlarger, "-o", target).code == 0
    result = Image.open(target)
    assert result.format == "JPEG"
    assert result.size == (168, 280), "turned upright, once"
    assert result.getexif()[ExifTags.Base.Make] == "Camera"
    assert result.getexif().get(ExifTags.Base.Orientation, 1) == 1
    assert result.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FNumber] == 2.8
    assert result.info["icc_profile"] == profile
    assert result.info["dpi"] == (300, 300)
    upright = np.asarray(picture.transpose(Image.Transpose.ROTATE_270).convert("L"))
    small = np.asarray(result.convert("L").resize((21, 35), Image.Resampling.BOX))
    assert np.corrcoef(upright.ravel(), small.ravel())[0, 1] > 0.9


def test_warnings_name_the_picture(
    serpent: Serpent, model: Model, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    alpha = np.full((21, 35, 1), 100, np.uint8)
    Image.fromarray(np.concatenate([photo[:21, :35], alpha], axis=2)).save(tmp_path / "a.png")
    outcome = serpent("deblur", tmp_path / "a.png", *model, "-o", tmp_path / "a.jpg")
    assert outcome.code == 0
    assert len(outcome.err) == 1
    assert re.match(r"warning: .*a\.png: .*transparen", outcome.err[0])


def test_no_change_is_announced_and_strength_is_kept(
    serpent: Serpent, model: Model, photo_file: Path, tmp_path: Path
) -> None:
    target = tmp_path / "same.png"
    outcome = serpent("deblur", photo_file, *model, "--strength", "0", "-o", target)
    assert outcome.code == 0
    assert len(outcome.err) == 1
    assert outcome.err[0] == (
        f"warning: {photo_file}: the result does not differ from the input: either it needs no"
        " restoring, this model cannot help or a strength of 0 is too little"
    )
    assert np.array_equal(Image.open(photo_file), Image.open(target))
    serpent("deblur", photo_file, *model, "--strength", "1.5").failed(2, "--strength")


def test_large_results_are_announced(
    serpent: Serpent, enlarger: Model, photo_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serpent_cli.cli.restoring.ANNOUNCED_PIXELS", 280 * 168 - 1)
    outcome = serpent("upscale", photo_file, *enlarger)
    assert "280 x 168 pixels" in outcome.err[0]
    assert re.search(r"about \d+ seconds", outcome.err[0])
    monkeypatch.setattr("serpent_cli.cli.restoring.ANNOUNCED_PIXELS", 280 * 168)
    assert serpent("upscale", photo_file, *enlarger, "-f").err == []


def test_progress_is_shown_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from serpent_cli.cli.progress_bar import progress_bar

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown: dict[str, str] = {}
    for name, stream, quiet in (
        ("terminal", Terminal(), False),
        ("quiet", Terminal(), True),
        ("file", io.StringIO(), False),
    ):
        monkeypatch.setattr("sys.stderr", stream)
        with progress_bar(3, "files", quiet=quiet) as bar:
            bar.file("cup.png")
            bar.tile(1, 4)
            bar.advance()
        shown[name] = stream.getvalue()
    assert "cup.png" in shown["terminal"]
    assert shown["quiet"] == shown["file"] == ""


def test_a_file_url_is_guarded_as_a_path(serpent: Serpent, model: Model, photo_file: Path) -> None:
    before = photo_file.read_bytes()
    url = f"file://{photo_file}"
    serpent("deblur", photo_file, *model, "-o", url).failed(2, "is an input")
    serpent("deblur", url, *model, "-o", photo_file, "--force").failed(2, "is an input")
    assert photo_file.read_bytes() == before
    outcome = serpent("deblur", url, *model)
    assert outcome.out == [str(photo_file.with_name("cup_deblurred.png"))]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_replaced_file_keeps_its_permissions(
    mode: int, serpent: Serpent, model: Model, photo_file: Path
) -> None:
    target = photo_file.with_name("cup_deblurred.png")
    target.write_bytes(b"old")
    target.chmod(mode)
    assert serpent("deblur", photo_file, *model, "--force").code == 0
    assert Image.open(target).size == (35, 21)
    assert target.stat().st_mode & 0o777 == mode


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_what_a_killed_run_without_a_manifest_left_is_swept_away(
    serpent: Serpent, model: Model, photo_file: Path
) -> None:
    import fcntl

    dead, alive = (photo_file.with_name(f".cup_deblurred.png.{digit * 12}.part") for digit in "01")
    dead.write_bytes(b"half")
    with alive.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert serpent("deblur", photo_file, *model).code == 0
    assert not dead.exists()
    assert alive.exists(), "somebody is writing it"


def test_json_and_a_picture_do_not_share_standard_output(
    serpent: Serpent, model: Model, photo_file: Path
) -> None:
    outcome = serpent("deblur", photo_file, *model, "-o", "-", "--json")
    outcome.failed(2, "would both go to standard output")
    assert outcome.out == []
