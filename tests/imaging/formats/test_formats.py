from pathlib import PurePath

import pytest

from serpent_cli.errors import PictureError
from serpent_cli.imaging.formats import (
    FORMATS,
    PICTURE_SUFFIXES,
    WRITABLE,
    WRITABLE_SUFFIXES,
    format_for,
    format_named,
    format_names,
    sniff,
)


def test_no_two_formats_share_a_suffix() -> None:
    suffixes = [one for each in FORMATS for one in (*each.suffixes, *each.read_suffixes)]
    assert len(set(suffixes)) == len(suffixes)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in suffixes)


@pytest.mark.parametrize("suffix", sorted(WRITABLE_SUFFIXES))
def test_what_is_written_is_also_found_and_named(suffix: str) -> None:
    assert suffix in PICTURE_SUFFIXES
    written = format_for(PurePath("a" + suffix.upper()))
    assert written is format_named(suffix)
    assert written.media_type.startswith("image/")


def test_names_of_formats_are_those_that_are_taken() -> None:
    assert [format_named(name) for name in format_names()] == list(WRITABLE)


@pytest.mark.parametrize("suffix", [".nef", ".3fr", ".raw"])
def test_camera_files_are_known_by_their_suffix(suffix: str) -> None:
    with pytest.raises(PictureError, match="camera raw file"):
        sniff(b"II*\0", "a" + suffix)
    assert (suffix in PICTURE_SUFFIXES) == (suffix == ".nef"), "rare ones may be anything"
