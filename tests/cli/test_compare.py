"""`serpent compare`."""

import json
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Serpent = Callable[..., Any]


@pytest.fixture
def folders(tmp_path: Path, photo: NDArray[np.uint8]) -> tuple[Path, Path]:
    """Two folders that share cup and mug; each has one picture of its own."""
    before, after = tmp_path / "before", tmp_path / "after"
    for folder, names in ((before, "cup mug old"), (after, "cup mug new")):
        folder.mkdir()
        for name in names.split():
            Image.fromarray(photo if folder == after else photo // 2).save(folder / f"{name}.png")
    return before, after


@pytest.fixture
def two(folders: tuple[Path, Path]) -> tuple[Path, Path]:
    """Two pictures."""
    return folders[0] / "cup.png", folders[1] / "cup.png"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def test_two_pictures(serpent: Serpent, two: tuple[Path, Path], report: Path) -> None:
    outcome = serpent("compare", *two, "-o", report)
    assert (outcome.code, outcome.out, outcome.err) == (0, [str(report)], [])
    assert report.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert serpent("compare", *two, "-fqo", report).out == []


def test_two_folders_and_what_has_no_partner(
    serpent: Serpent, folders: tuple[Path, Path], report: Path
) -> None:
    outcome = serpent("compare", *folders, "-o", report)
    assert (outcome.code, outcome.out) == (0, [str(report)])
    lonely = f"{folders[0] / 'old.png'}, {folders[1] / 'new.png'}"
    assert outcome.err == [f"warning: left out without a partner: {lonely}"]
    assert report.read_text(encoding="utf-8").count('class="pair"') == 2


def test_trees_as_deblur_r_makes_them(
    serpent: Serpent, folders: tuple[Path, Path], report: Path
) -> None:
    """The same name lies in several subfolders; results may even lie within what they are of."""
    before, after = folders[0], folders[0] / "sharp"
    folders[1].rename(after)
    for place, suffix in ((before, ".bmp"), (after, ".png")):
        for below in ("cup", "2024/cup", "2024/may/cup", "2025/mug"):
            target = (place / below).with_suffix(suffix)
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.open(after / "cup.png").save(target)
    outcome = serpent("compare", "-r", before, after, "-o", report, "--json")
    assert outcome.code == 0
    pairs = json.loads(outcome.out[0])["pairs"]
    found = [(Path(each["before"]), Path(each["after"])) for each in pairs]
    assert len(found) == 5
    for first, second in found:
        assert first.relative_to(before).with_suffix("") == second.relative_to(after).with_suffix(
            ""
        )
    text = report.read_text(encoding="utf-8")
    assert '"name": "2024/may/cup"' in text
    assert "<title>before and sharp</title>" in text
    assert (
        len(
            json.loads(serpent("compare", *folders[:1], after, "-fo", report, "--json").out[0])[
                "pairs"
            ]
        )
        == 2
    )


def test_many_without_a_partner_are_counted(
    serpent: Serpent, folders: tuple[Path, Path], report: Path
) -> None:
    for number in range(20):
        (folders[0] / f"{number}.png").write_bytes(b"")
    (line,) = serpent("compare", *folders, "-o", report).err
    assert line.endswith("and 14 more")


def test_json_is_one_object(serpent: Serpent, folders: tuple[Path, Path], report: Path) -> None:
    (folders[1] / "mug.png").write_bytes(b"no picture")
    outcome = serpent("compare", *folders, "-o", report, "--json")
    assert outcome.code == 1
    (line,) = outcome.out
    record = json.loads(line)
    assert record["output"] == str(report)
    assert record["bytes"] == report.stat().st_size
    (pair,) = record["pairs"]
    assert pair["before"] == str(folders[0] / "cup.png")
    assert (pair["width"], pair["height"], pair["identical"]) == (120, 96, False)
    assert 5 < pair["psnr_db"] < 30
    assert record["unpaired"] == [str(folders[0] / "old.png"), str(folders[1] / "new.png")]
    (failed,) = record["failed"]
    assert failed["after"] == str(folders[1] / "mug.png")
    assert "not a picture" in failed["error"]
    assert any(line.startswith("error: cannot read") for line in outcome.err)


def test_json_knows_no_infinity(serpent: Serpent, two: tuple[Path, Path], report: Path) -> None:
    outcome = serpent("compare", two[0], two[0], "-o", report, "--json")
    pair = json.loads(outcome.out[0], parse_constant=pytest.fail)["pairs"][0]
    assert (pair["psnr_db"], pair["identical"]) == (None, True)


def test_lossless_has_a_limit(serpent: Serpent, two: tuple[Path, Path], report: Path) -> None:
    for limit, kind in (("64", "image/png"), ("0", "image/jpeg")):
        serpent("compare", *two, "-fo", report, "--lossless", limit)
        blocks = report.read_text(encoding="utf-8").split('id="before-0">')
        assert blocks[1].startswith(f"data:{kind};base64,")


def test_usage(serpent: Serpent, two: tuple[Path, Path], report: Path, tmp_path: Path) -> None:
    serpent("compare", two[0], two[1].parent, "-o", report).failed(2, "is a folder")
    serpent("compare", *two, "-o", tmp_path / "out.png").failed(2, "does not end in .html")
    turned = tmp_path / "turned.png"
    Image.open(two[1]).transpose(Image.Transpose.ROTATE_90).save(turned)
    outcome = serpent("compare", two[0], turned, "-o", report)
    outcome.failed(2, "120x96")
    assert outcome.hint
    assert serpent("compare", *two).code == 2
    assert not report.exists()


def test_missing_input(
    serpent: Serpent, two: tuple[Path, Path], report: Path, tmp_path: Path
) -> None:
    serpent("compare", two[0], tmp_path / "none.png", "-o", report).failed(3, "none.png")
    empty, other = tmp_path / "empty", tmp_path / "other"
    empty.mkdir()
    serpent("compare", two[0].parent, empty, "-o", report).failed(3, "no picture")
    other.mkdir()
    Image.open(two[0]).save(other / "else.png")
    serpent("compare", two[0].parent, other, "-o", report).failed(3, "has the name of one")


def test_unreadable_pictures_and_existing_pages(
    serpent: Serpent, two: tuple[Path, Path], report: Path
) -> None:
    report.write_text("precious")
    outcome = serpent("compare", *two, "-o", report)
    outcome.failed(1, "exists")
    assert "--force" in outcome.hint
    two[1].write_bytes(b"no picture")
    serpent("compare", *two, "-fo", report).failed(1, "cup.png")
    assert report.read_text() == "precious"


def test_open_shows_the_page(
    serpent: Serpent, two: tuple[Path, Path], report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    serpent("compare", *two, "-o", report)
    assert opened == []
    serpent("compare", *two, "-fo", report, "--open")
    assert opened == [report.as_uri()]


def test_help_is_quick_and_shows_examples(serpent_process: Serpent) -> None:
    outcome = serpent_process("compare", "-h")
    assert outcome.code == 0
    assert any("serpent compare in.png out.png -o report.html" in line for line in outcome.out)
