"""Pictures from and to any place: local files, URLs, standard streams."""

import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from serpent_cli.batch.places import Place, Remote, Standard, exists, remote_errors
from serpent_cli.errors import PictureError, reason_of
from serpent_cli.imaging.formats import WRITABLE, Format, format_for
from serpent_cli.imaging.write import write_picture
from serpent_cli.whole_files import new_file

if TYPE_CHECKING:
    from serpent_cli.imaging.picture import Picture

Ready = Callable[[BinaryIO, tuple[str, ...]], None]
"""Called with a result's encoded bytes, complete but not yet visible under their name, and with one
sentence for each thing that their format cannot hold."""


def refuse_existing(target: Place, *, force: bool) -> None:
    """Refuse a target that is taken.

    Raises:
        PictureError: It exists, and `force` is not given.
    """
    if not force and exists(target):
        raise PictureError(f"{target} exists", hint="give --force to replace it")


def prepare(target: Place, *, force: bool) -> None:
    """Refuse an existing target before any work, and make its folder.

    Raises:
        PictureError: It exists and `force` is not given, or its folder cannot be made.
    """
    refuse_existing(target, force=force)
    if isinstance(target, Path):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PictureError(
                f"cannot make the folder {target.parent}: {reason_of(error)}",
                hint="choose another folder with -o",
            ) from error


def write_to(
    picture: "Picture",
    target: Place,
    *,
    force: bool = False,
    quality: int | None = None,
    chosen: Format | None = None,
    on_ready: Ready | None = None,
) -> tuple[str, ...]:
    """Write a picture to a place, whole or not at all.

    Args:
        picture: What to write.
        target: Where to; its folder exists.
        force: Replace an existing file.
        quality: Of JPEG, WebP and AVIF, 1 to 100; None for the input's, or a high one.
        chosen: Format for standard output; by default that of the picture's file.
        on_ready: Called once with the encoded bytes, and what will be returned, before they are
            visible.

    Returns:
        One sentence for each thing that the format cannot hold.

    Raises:
        PictureError: The target exists, or the place refuses it.
    """
    if isinstance(target, Path):
        return write_picture(picture, target, force=force, quality=quality, on_ready=on_ready)
    stream = io.BytesIO()
    named = _format_of(picture) if isinstance(target, Standard) else None
    # Not above: a run that finds all its work done need not wait for the codecs to load.
    from serpent_cli.imaging.encode import encode

    notes = encode(
        picture, chosen or named or format_for(PurePosixPath(target.name)), stream, quality=quality
    )
    if on_ready is not None:
        on_ready(stream, notes)
    _send(stream, target, force=force)
    return notes


def deliver(
    content: BinaryIO, target: Place, *, force: bool, on_ready: Callable[[BinaryIO], None]
) -> None:
    """Put an encoded picture at its target, whole or not at all.

    Args:
        content: The picture, from its first byte.
        target: Where to.
        force: Replace an existing file.
        on_ready: Called once, before it is visible there.

    Raises:
        PictureError: The target exists, or the place refuses it.
    """
    if isinstance(target, Path):
        with new_file(target, force=force) as file:
            shutil.copyfileobj(content, file)
            on_ready(file)
        return
    stream = io.BytesIO(content.read())
    on_ready(stream)
    _send(stream, target, force=force)


def _send(stream: io.BytesIO, target: Remote | Standard, *, force: bool) -> None:
    if isinstance(target, Remote):
        refuse_existing(target, force=force)
        with remote_errors(target):
            parent = target.path.rsplit("/", 1)[0]
            target.system.makedirs(parent, exist_ok=True)
            # Object stores show an object only once it has arrived whole.
            target.system.pipe_file(target.path, stream.getvalue())
        return
    try:
        sys.stdout.buffer.write(stream.getbuffer())
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # whoever read it has gone
        raise
    except OSError as error:
        raise PictureError(
            f"cannot write to standard output: {reason_of(error)}",
            hint="the disk that it goes to may be full",
        ) from error


def _format_of(picture: "Picture") -> Format:
    """The format a picture was read from, or PNG where that cannot be written."""
    return next((each for each in WRITABLE if each.name == picture.format), WRITABLE[0])
