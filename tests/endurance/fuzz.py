"""Damaged pictures through `read`.

Every file must be read, or refused with one clear sentence that names it and a way out, alike whole
and by bands; in at most 5 seconds of work and with at most 256 MiB more memory than before, for
pictures of at most 4 megapixels. Workers of their own do the reading: a crash is one file and not
the end. File N of a seed is always the same: `--show N` writes it.
"""

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path

from serpent_cli.errors import PictureError
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import open_bands, read_picture, read_size
from tests.endurance import workers
from tests.endurance.damage import mutated
from tests.endurance.report import Check
from tests.endurance.workers import READ, REFUSED, Search

SECONDS, MAX_PIXELS, BAND = 5, 4_000_000, 16


def add_options(parser: argparse.ArgumentParser) -> None:
    """What this driver may be told."""
    workers.add_options(parser, 20_000)
    parser.add_argument("--only", default="", metavar="SUFFIX", help="one format, such as .tif")


def checks(given: argparse.Namespace) -> list[Check]:
    """Read the files that were asked for."""
    search = Search(
        options=("fuzz", "--seed", str(given.seed), "--only", given.only),
        make=lambda index: mutated(given.seed, index, given.only),
        judge=_judge,
        read=lambda path: read_picture(path, max_pixels=MAX_PIXELS),
        kind_of=lambda name: Path(name).suffix.removeprefix("."),
        seconds=SECONDS,
        memory=256 * 2**20,
        address_space=3 * 2**30,
    )
    found = workers.hunted(search, given)
    return workers.summed_up(search, found) if found else []


def _judge(path: Path, name: str) -> tuple[str, str]:
    del name
    verdict, picture = REFUSED, None
    for read in (read_size, lambda file: read_picture(file, max_pixels=MAX_PIXELS)):
        try:
            picture = read(path)
        except PictureError as error:
            flaw = _flaw(error, path)
            if flaw:
                return flaw, f"{error.message} | {error.hint}"
            verdict, picture = REFUSED, None
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is a finding)
            return type(error).__name__, str(error)[:300]
        else:
            verdict = READ
    if verdict == REFUSED or isinstance(picture, Picture):
        return _compared(path, verdict, picture)
    return verdict, ""


def _compared(path: Path, verdict: str, picture: Picture | None) -> tuple[str, str]:
    """Read by bands, too: what is refused and what is read must be the same."""
    try:
        found = _by_bands(path)
    except BaseException as error:  # noqa: BLE001
        return type(error).__name__, f"by bands: {error}"[:300]
    if found != (None if picture is None else _digest(picture)):
        return "ways differ", f"whole: {verdict}, by bands: {READ if found else REFUSED}"
    return verdict, ""


def _by_bands(path: Path) -> bytes | None:
    """Digest of the samples, read by bands as far as that goes; None where they are refused."""
    digest = hashlib.sha256()
    try:
        with open_bands(path, max_pixels=MAX_PIXELS) as reader:
            height = reader.head.height
            for top in range(0, height, BAND):
                digest.update(_samples(reader.rows(top, min(height, top + BAND))))
            _ = reader.warnings
    except PictureError:
        return None
    return digest.digest()


def _digest(picture: Picture) -> bytes:
    digest = hashlib.sha256()
    for top in range(0, picture.height, BAND):
        rows = slice(top, top + BAND)
        alpha = None if picture.alpha is None else picture.alpha[rows]
        digest.update(_samples(replace(picture, pixels=picture.pixels[rows], alpha=alpha)))
    return digest.digest()


def _samples(picture: Picture) -> bytes:
    alpha = b"" if picture.alpha is None else picture.alpha.tobytes()
    return picture.pixels.tobytes() + alpha


def _flaw(error: PictureError, path: Path) -> str | None:
    if not error.hint or not error.message:
        return "no hint"
    if str(path) not in error.message or "\n" in error.message:
        return "no clear sentence"
    # Nothing of MAX_PIXELS needs as much as a worker may have.
    return "memory" if "not enough memory" in error.message else None
