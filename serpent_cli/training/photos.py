"""Training photographs: decoded once, kept as uint8, from folders and tar archives."""

import tarfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import torch
from torch import Tensor

from serpent_cli.errors import NoInputError, PictureError
from serpent_cli.imaging.formats import WRITABLE_SUFFIXES
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import read_picture


def load_photos(
    source: Path, least_side: int, on_photo: Callable[[int, int], None] | None = None
) -> list[Tensor]:
    """Decode every photograph of a folder or a tar archive, in the order of their names.

    Args:
        source: A folder, searched recursively, also inside its .tar files; or one .tar file.
        least_side: Photographs with a shorter side, in pixels, are left out.
        on_photo: Called with (done, total) after each file.

    Returns:
        uint8 tensors (H, W, 3).

    Raises:
        NoInputError: No usable photograph was found.
        PictureError: A file cannot be read.
    """
    files, photos = list(_files(source)), list[Tensor]()
    for done, (path, member) in enumerate(files, 1):
        picture = _read(path, member)
        if picture.pixels.dtype != np.uint8:
            name = member.name if member else path
            raise PictureError(f"{name} is not an 8-bit picture", hint="convert it to 8 bits")
        if min(picture.height, picture.width) >= least_side:
            photos.append(torch.from_numpy(np.ascontiguousarray(picture.pixels)))
        if on_photo is not None:
            on_photo(done, len(files))
    if not photos:
        raise NoInputError(
            f"no photograph of at least {least_side} x {least_side} pixels in {source}",
            hint="--photos takes a folder of pictures, or a .tar of them",
        )
    return photos


def _files(source: Path) -> Generator[tuple[Path, tarfile.TarInfo | None]]:
    """Photographs by name: files, or an archive and its member."""
    for path in [source] if source.is_file() else sorted(source.rglob("*")):
        if path.suffix.lower() in WRITABLE_SUFFIXES:
            yield path, None
        elif path.suffix.lower() == ".tar":
            try:
                with tarfile.open(path, "r:") as archive:
                    members = sorted(archive.getmembers(), key=lambda member: member.name)
            except tarfile.TarError as error:
                raise PictureError(
                    f"cannot read {path}: it is not a tar archive, or it is damaged",
                    hint="it must be uncompressed; copy, download or pack it again",
                ) from error
            for member in members:
                if member.isfile() and Path(member.name).suffix.lower() in WRITABLE_SUFFIXES:
                    yield path, member


def _read(path: Path, member: tarfile.TarInfo | None) -> Picture:
    if member is None:
        return read_picture(path)
    with tarfile.open(path, "r:") as archive:
        stream = archive.extractfile(member)
        assert stream is not None  # only regular files are listed
        try:
            return read_picture(cast("BinaryIO", stream))
        except PictureError as error:
            raise PictureError(f"{member.name}: {error.message}", hint=error.hint) from error
