"""Writing a picture in the format of its name, whole or not at all."""

import struct
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from serpent_cli.errors import PictureError
from serpent_cli.imaging.formats import format_for
from serpent_cli.whole_files import disk_error, replacing

if TYPE_CHECKING:
    from serpent_cli.imaging.picture import Picture


def write_picture(
    picture: "Picture",
    path: str | Path,
    *,
    force: bool = False,
    quality: int | None = None,
    on_ready: Callable[[BinaryIO, tuple[str, ...]], None] | None = None,
) -> tuple[str, ...]:
    """Write a picture in the format of the path's suffix.

    Args:
        picture: What to write, with the metadata to keep.
        path: The file; its folder must exist.
        force: Replace an existing file.
        quality: 1 to 100, for JPEG, WebP and AVIF; by default as `encode` chooses it.
        on_ready: Called with the encoded file, and what will be returned, before it takes its name.

    Returns:
        One sentence for each thing that the format cannot hold.

    Raises:
        UsageError: No format goes by the suffix, or `quality` lies outside 1 to 100.
        PictureError: The file exists and `force` is not given, the folder or the disk refuses,
            or the encoder fails. Nothing is left behind then.
    """
    target = Path(path)
    chosen = format_for(target)
    # Not above: whoever only looks after files need not wait for the codecs to load.
    from serpent_cli.imaging.encode import check_quality, encode

    check_quality(quality)
    with errors_as_sentences(target), replacing(target, force=force) as stream:
        notes = encode(picture, chosen, stream, quality=quality)
        if on_ready is not None:
            on_ready(stream, notes)
        return notes


@contextmanager
def errors_as_sentences(target: Path) -> Generator[None]:
    """Turn what disks and encoders raise into one sentence about the target."""
    try:
        yield
    except PictureError as error:
        if str(target) in error.message:
            raise
        raise PictureError(f"cannot write {target}: {error.message}", error.hint) from None
    except MemoryError:
        raise PictureError(
            f"cannot write {target}: there is not enough memory to encode it",
            "Close other programs, or write it as TIFF",
        ) from None
    except OSError as error:
        raise disk_error(target, error) from error
    except (RuntimeError, ValueError, OverflowError, struct.error) as error:
        raise PictureError(
            f"cannot write {target}: the encoder failed ({error})", "Write it as TIFF or PNG"
        ) from error
