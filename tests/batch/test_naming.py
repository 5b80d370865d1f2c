from pathlib import Path
from typing import Any

import pytest

from serpent_cli.batch.naming import Job, Naming, name_targets, refuse_collisions, results_folder
from serpent_cli.batch.places import Remote, Standard
from serpent_cli.batch.sources import Source, Sources
from serpent_cli.errors import UsageError
from serpent_cli.imaging.formats import PICTURE_SUFFIXES, format_for, format_named

KEPT = ("png", "jpg", "jpeg", "jpe", "jfif", "tif", "tiff", "webp", "bmp", "avif", "jp2")


def targets(
    sources: Sources, output: Path | None, tag: str = "deblurred", **naming: Any
) -> list[str]:
    jobs = name_targets(sources, output, Naming(tag, **naming))
    refuse_collisions(jobs)
    return [str(job.target) for job in jobs]


def files(*names: str, folder: Path | None = None) -> Sources:
    paths = [Path(name) for name in names]
    below = [path.name if folder is None else str(path.relative_to(folder)) for path in paths]
    return Sources([Source(p, b, folder) for p, b in zip(paths, below, strict=True)])


@pytest.mark.parametrize(
    ("source", "tag", "target"),
    [
        ("in.png", "deblurred", "in_deblurred.png"),
        ("a/b.c.JPG", "x8", "a/b.c_x8.JPG"),
        ("old.gif", "x2", "old_x2.png"),
        ("scan", "x2", "scan_x2.png"),
        ("phone.heic", "deblurred", "phone_deblurred.png"),
    ],
)
def test_names_of_our_own_lie_beside_the_input(source: str, tag: str, target: str) -> None:
    assert targets(files(source), None, tag) == [target]


def test_a_folder_gets_a_sister() -> None:
    sources = files("trip/a.png", "trip/b.gif", folder=Path("trip"))
    assert targets(sources, None, "x8") == ["trip_x8/a.png", "trip_x8/b.png"]


@pytest.mark.parametrize("name", [".", "inner/..", "../trip/inner/.."])
def test_nameless_folders_have_a_name_too(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trip" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "trip")
    expected = str(tmp_path / "trip_x8" / "a.png")
    assert targets(files(f"{name}/a.png", folder=Path(name)), None, "x8") == [expected]


def targets_in(tmp_path: Path, *names: str, output: str, folder: bool = False) -> list[str]:
    sources = files(*names, folder=Path("trip") if folder else None)
    found = name_targets(sources, tmp_path / output, Naming("x8"))
    return [str(job.target.relative_to(tmp_path)) for job in found]


def test_the_output_may_be_a_file_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "there.d").mkdir()
    assert targets_in(tmp_path, "a.png", output="out.jpg") == ["out.jpg"]
    assert targets_in(tmp_path, "a.png", output="out") == ["out/a.png"], "no suffix: a folder"
    assert targets_in(tmp_path, "a.gif", output="there.d") == ["there.d/a.png"]
    assert targets_in(tmp_path, "a.png", "b.jpg", output="new.d") == ["new.d/a.png", "new.d/b.jpg"]
    assert targets_in(tmp_path, "trip/a.png", output="new", folder=True) == ["new/a.png"]


def test_formats_that_cannot_be_written_are_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"x")
    for output, words in (("out", "has no suffix"), ("out.gif", "cannot be written as .gif")):
        with pytest.raises(UsageError, match=words):
            targets_in(tmp_path, "a.png", output=output)


@pytest.mark.parametrize("suffix", sorted(PICTURE_SUFFIXES))
def test_names_of_our_own_can_be_written(suffix: str) -> None:
    (target,) = targets(files(f"a{suffix}"), None)
    assert format_for(Path(target)).name
    kept = [
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".tif",
        ".tiff",
        ".webp",
        ".bmp",
        ".avif",
        ".jp2",
    ]
    assert Path(target).suffix == (suffix if suffix in kept else ".png")


def test_several_inputs_need_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out.png").write_bytes(b"x")
    with pytest.raises(UsageError, match="is a file, but there are several inputs"):
        name_targets(files("a.png", "b.png"), tmp_path / "out.png", Naming("x8"))


@pytest.mark.parametrize("names", [("a/x.png", "b/x.png"), ("x.gif", "x.png")])
def test_two_inputs_never_share_a_target(names: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="would both become"):
        targets(files(*names), tmp_path / "out", "x8")


def test_no_input_is_a_target(tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(b"x")
    (tmp_path / "link.png").symlink_to(source)
    for output in (source, tmp_path / "sub" / ".." / "a.png", tmp_path / "link.png", tmp_path):
        with pytest.raises(UsageError, match="is an input and would be overwritten"):
            targets(files(str(source)), output, "x8")


def test_jobs_pair_each_source_with_its_target() -> None:
    assert name_targets(files("a.png", "b.png"), None, Naming("x2")) == [
        Job(Path("a.png"), Path("a_x2.png")),
        Job(Path("b.png"), Path("b_x2.png")),
    ]


def test_trees_are_kept() -> None:
    tree = files("t/a.png", "t/b/a.png", folder=Path("t"))
    assert targets(tree, Path("new")) == ["new/a.png", "new/b/a.png"]
    assert targets(tree, None, "x2") == ["t_x2/a.png", "t_x2/b/a.png"]


def test_names_follow_a_template() -> None:
    template = "{stem}_{task}{scale}.{ext}"
    one = files("d/cat.jpg")
    assert targets(one, None, "x8", task="upscale", scale=8, template=template) == [
        "d/cat_upscale8.jpg"
    ]
    assert targets(one, Path("new"), task="deblur", template=template) == ["new/cat_deblur.jpg"]
    assert targets(one, Path("o"), format=format_named("tif"), template=template) == [
        "o/cat_deblur.tif"
    ]
    for wrong, words in (
        ("{stem}_{colour}.png", "knows no {colour}"),
        ("{stem", "cannot be filled in"),
        ("{stem.__class__}.png", "knows no"),
        ("../{stem}.png", "not a file name"),
        ("{stem}.gif", "cannot be written as .gif"),
        ("{}.png", "knows no"),
    ):
        with pytest.raises(UsageError, match=words):
            targets(one, None, template=wrong)
    with pytest.raises(UsageError, match="would both become"):
        targets(files("a.png", "b.png"), None, template="same.png")


def test_a_format_decides_the_suffix() -> None:
    png = format_named("png")
    assert targets(files("a.jpg", "b.PNG"), Path("o"), format=png) == ["o/a.png", "o/b.PNG"]
    with pytest.raises(UsageError, match="asks for PNG"):
        targets(files("a.jpg"), Path("o.jpg"), format=png)
    with pytest.raises(UsageError, match="cannot be written as 'gif'"):
        format_named("gif")


def test_standard_streams_and_urls() -> None:
    piped = Sources([Source(Standard(), "-")])
    assert targets(piped, None) == ["-"]
    assert targets(piped, Path("out")) == ["out/stdin.png"]
    assert name_targets(files("a.png"), Standard(), Naming("x"))[0].target == Standard()
    with pytest.raises(UsageError, match="several pictures cannot go"):
        name_targets(files("a.png", "b.png"), Standard(), Naming("x"))
    remote = Sources([Source(Remote("s3://b/x/a.png"), "x/a.png", Remote("s3://b"))])
    with pytest.raises(UsageError, match=r"-o is needed for s3://b/x/a.png"):
        name_targets(remote, None, Naming("x"))
    (job,) = name_targets(remote, Remote("s3://c/new"), Naming("x"))
    assert job.target == Remote("s3://c/new/x/a.png")


def test_the_folder_of_all_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    naming, tree = Naming("x2"), files("t/a.png", folder=Path("t"))
    assert results_folder(tree, None, naming) == Path("t_x2")
    assert results_folder(tree, tmp_path, naming) == tmp_path
    assert results_folder(files("a.png"), None, naming) is None
    assert results_folder(files("d/a.png", "d/b.png"), None, naming) == Path("d")
    mixed = files(str(tmp_path / "d" / "a.png"), str(tmp_path / "a.png"))
    assert results_folder(mixed, None, naming) == tmp_path
    apart = files(str(tmp_path / "d" / "a.png"), str(tmp_path / "e" / "a.png"))
    assert results_folder(apart, None, naming) is None, "neither is in it"
    monkeypatch.chdir(tmp_path)
    assert results_folder(apart, None, naming) == tmp_path, "but in the working folder"
    assert results_folder(files("a.png"), tmp_path / "o.png", naming) is None
    assert results_folder(files("a.png"), tmp_path, naming) == tmp_path
    assert results_folder(tree, Remote("s3://b"), naming) is None
