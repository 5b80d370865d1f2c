"""Writing a picture: encoded beside the target, synced, then renamed, so that no half file shows.

Without `force` the last step is a hard link, which the system refuses when the name is taken: two
runs at once cannot overwrite each other's results.
"""

import errno
import os
import secrets
import stat
import struct
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from serpent_cli.errors import PictureError
from serpent_cli.imaging.formats import format_for

if TYPE_CHECKING:
    from serpent_cli.imaging.picture import Picture

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

_REASONS = {
    errno.ENOENT: ("the folder does not exist", "Create the folder first"),
    errno.ENOTDIR: ("the folder is a file", "Choose another folder"),
    errno.EACCES: ("the folder is not writable", "Choose another folder with -o"),
    errno.EPERM: ("the folder is not writable", "Choose another folder with -o"),
    errno.EROFS: ("the disk is read-only", "Choose another folder with -o"),
    errno.ENOSPC: ("no space is left on the disk", "Free some space or choose another disk"),
    errno.EDQUOT: ("the disk quota is used up", "Free some space or choose another disk"),
    errno.EFBIG: ("the file system allows no file of this size", "Choose another disk"),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter name"),
}
_NAME_BYTES = 160


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
    with errors_as_sentences(target):
        check_target(target, force=force)
        with replacing(target, force=force) as stream:
            notes = encode(picture, chosen, stream, quality=quality)
            if on_ready is not None:
                on_ready(stream, notes)
            return notes


@contextmanager
def new_file(target: Path, *, force: bool = False) -> Generator[BinaryIO]:
    """Open a file of any kind that shows under its name when the block ends well, or not at all.

    Args:
        target: The file; its folder must exist.
        force: Replace an existing file.

    Raises:
        PictureError: The file exists and `force` is not given, or the folder or the disk refuses.
    """
    try:
        check_target(target, force=force)
        with replacing(target, force=force) as stream:
            yield stream
    except OSError as error:
        raise _disk_error(target, error) from error


def _disk_error(target: Path, error: OSError) -> PictureError:
    reason, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error), None))
    return PictureError(f"cannot write {target}: {reason}", hint)


def check_target(target: Path, *, force: bool) -> None:
    """Refuse a path that no picture can be written to.

    Raises:
        PictureError: It is no regular file, or it exists and `force` is not given.
    """
    try:
        mode = target.stat().st_mode
    except OSError:
        return
    if stat.S_ISDIR(mode):
        raise PictureError(
            f"cannot write {target}: it is a folder", "Name a file, or remove the folder"
        )
    if not stat.S_ISREG(mode):
        raise PictureError(f"cannot write {target}: it is not a regular file", "Name another file")
    if not force:
        raise _exists(target)


def _exists(target: Path) -> PictureError:
    return PictureError(f"cannot write {target}: it exists", "Use --force to replace it")


@contextmanager
def replacing(target: Path, *, force: bool) -> Generator[BinaryIO]:
    """Open a new file beside the target that takes its name when all went well."""
    # Through a symbolic link the file it points to is replaced, not the link.
    final = Path(os.path.realpath(target))
    part = final.with_name(f".{part_stem(final)}.{secrets.token_hex(6)}.part")
    stream = part.open("x+b")
    try:
        with stream:
            held(stream)
            if force:
                _keep_permissions(stream, final)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        _publish(part, final, force=force)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    _sync_folder(final.parent)


def held(stream: BinaryIO) -> bool:
    """Hold an unfinished file, so that others see that its writer lives; False if another does.

    Systems without such locks do not remove a file that is open.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: nobody can tell
        return True
    return True


@contextmanager
def alone_with(stream: BinaryIO) -> Generator[None]:
    """Within, nobody else who asks for it writes to the file; where there are no locks, all may."""
    locked = False
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX)
            locked = True
    try:
        yield
    finally:
        if locked and fcntl is not None:
            fcntl.flock(stream.fileno(), fcntl.LOCK_UN)


def _keep_permissions(stream: BinaryIO, final: Path) -> None:
    """Give a file that replaces another who may read and write that one."""
    with suppress(OSError):
        os.chmod(stream.fileno(), stat.S_IMODE(final.stat().st_mode))


def part_stem(target: Path) -> str:
    """What the name of an unfinished file has of its target's: `.STEM.TWELVE-DIGITS.part`."""
    return os.fsdecode(os.fsencode(target.name)[:_NAME_BYTES])


def _publish(part: Path, final: Path, *, force: bool) -> None:
    if not force:
        try:
            os.link(part, final)
        except FileExistsError:
            raise _exists(final) from None
        except (OSError, NotImplementedError):
            # No hard links on this file system (FAT, some network drives): check once more.
            if final.exists():
                raise _exists(final) from None
        else:
            part.unlink()
            return
    os.replace(part, final)


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


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
        raise _disk_error(target, error) from error
    except (RuntimeError, ValueError, OverflowError, struct.error) as error:
        raise PictureError(
            f"cannot write {target}: the encoder failed ({error})", "Write it as TIFF or PNG"
        ) from error
