"""Files that appear whole or not at all: written beside their target, synced, then renamed.

Without `force` the last step is a hard link, which the system refuses when the name is taken: two
runs at once cannot overwrite each other's results. What a killed process leaves goes by a name of
its own, and is swept away by the next run.
"""

import errno
import os
import re
import secrets
import stat
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from serpent_cli.errors import PictureError, reason_of

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
_PART = re.compile(r"\.(.+)\.[0-9a-f]{12}\.part")


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
        with replacing(target, force=force) as stream:
            yield stream
    except OSError as error:
        raise disk_error(target, error) from error


def disk_error(target: Path, error: OSError) -> PictureError:
    """What the system says of a file that cannot be written, in one sentence."""
    reason, hint = _REASONS.get(error.errno or 0, (reason_of(error), None))
    return PictureError(f"cannot write {target}: {reason}", hint)


def _check_target(target: Path, *, force: bool) -> None:
    """Refuse a path that no file can be written to.

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
    """The same, with errors of the disk as the system raises them."""
    _check_target(target, force=force)
    # Through a symbolic link the file it points to is replaced, not the link.
    final = Path(os.path.realpath(target))
    part = final.with_name(f".{_part_stem(final)}.{secrets.token_hex(6)}.part")
    stream = part.open("x+b")
    try:
        with stream:
            _held(stream)
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


def _held(stream: BinaryIO) -> bool:
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


def _part_stem(target: Path) -> str:
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
def without_empty_folders(paths: Iterable[Path]) -> Generator[None]:
    """Within, the folders of files may be made; those that are empty at the end are removed again.

    Args:
        paths: Files that may be written. Folders that are there before the block stay in any case.
    """
    missing: set[Path] = set()
    for folder in {path.absolute().parent for path in paths}:
        for each in (folder, *folder.parents):
            if each in missing or os.path.lexists(each):
                break
            missing.add(each)
    try:
        yield
    finally:
        for folder in sorted(missing, key=lambda each: len(each.parts), reverse=True):
            with suppress(OSError):  # it has files, or was never made
                folder.rmdir()


def sweep(targets: Iterable[Path]) -> None:
    """Remove what killed runs left beside targets; what is being written stays."""
    targets = tuple(targets)
    stems = {_part_stem(target) for target in targets}
    for folder in {target.parent for target in targets if target.parent.is_dir()}:
        for path in folder.glob(".*.part"):
            found = _PART.fullmatch(path.name)
            if found and found[1] in stems:
                with suppress(OSError), path.open("rb") as stream:
                    if _held(stream):
                        path.unlink()
