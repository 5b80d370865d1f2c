"""Photographs from folders, tar archives and folders of them."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torch import Tensor

from serpent_cli.errors import NoInputError, PictureError
from serpent_cli.training.photos import load_photos

PICTURES = {
    name: getattr(skimage.data, name)()[:60, :80] for name in ("astronaut", "chelsea", "coffee")
}


def folder_of(root: Path) -> Path:
    (root / "deep").mkdir(parents=True)
    for name, pixels in PICTURES.items():
        Image.fromarray(pixels).save(root / ("deep" if name == "coffee" else "") / f"{name}.png")
    (root / "notes.txt").write_text("no photograph")
    return root


def packed(folder: Path, target: Path) -> Path:
    with tarfile.open(target, "w") as archive:
        for path in sorted(folder.rglob("*"), reverse=True):  # names decide, not the archive
            archive.add(path, path.relative_to(folder), recursive=False)
    return target


def same(photos: list[Tensor], names: list[str]) -> bool:
    expected = [torch.from_numpy(PICTURES[name]) for name in names]
    return len(photos) == len(names) and all(map(torch.equal, photos, expected))


def test_folders_and_archives_give_the_same_photographs(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos")
    archive = packed(folder, tmp_path / "photos.tar")
    calls: list[tuple[int, int]] = []
    names = ["astronaut", "chelsea", "coffee"]
    assert same(load_photos(folder, 32, lambda *call: calls.append(call)), names)
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert same(load_photos(archive, 32), names)


def test_a_folder_may_hold_several_archives(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos")
    shards = tmp_path / "shards"
    shards.mkdir()
    packed(folder / "deep", shards / "b.tar")
    packed(folder, shards / "a.tar")
    assert same(load_photos(shards, 32), ["astronaut", "chelsea", "coffee", "coffee"])


def test_small_photographs_are_left_out(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos")
    Image.fromarray(PICTURES["coffee"][:20]).save(folder / "a.png")
    assert same(load_photos(folder, 60), ["astronaut", "chelsea", "coffee"])
    with pytest.raises(NoInputError, match="61 x 61"):
        load_photos(folder, 61)


def test_a_broken_photograph_is_named(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo("deep/broken.png")
        member.size = 20
        archive.addfile(member, io.BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(12)))
    with pytest.raises(PictureError, match=r"deep/broken\.png"):
        load_photos(tmp_path / "a.tar", 32)
    (tmp_path / "a.tar").write_bytes(b"nonsense" * 200)
    with pytest.raises(PictureError, match="not a tar archive"):
        load_photos(tmp_path, 32)


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((60, 60), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(PictureError, match=r"deep\.png is not an 8-bit picture"):
        load_photos(tmp_path, 32)
