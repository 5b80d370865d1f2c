"""What is raised about damaged files, kept apart from what is wrong with us.

Only calls into decoders that are not ours stand inside `decoder`; our own parsers raise
`DamageError` and `CutOffError` where pixels cannot be had. Everything else that is raised is a bug,
and shows as one.
"""

import struct
import zlib
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
from PIL import Image

from serpent_cli.errors import PictureError, reason_of

_DECODERS_RAISE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    RuntimeError,
    AssertionError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
)
"""What decoders raise on damaged files, found by flipping bytes; their bugs are not ours to fix."""

_CUT_WORDS = ("truncated", "too small", "not enough", "failed to read")


class DamageError(ValueError):
    """The pixels of a file cannot be had: it is damaged."""


class CutOffError(DamageError):
    """The pixels of a file cannot be had: it ends too early."""


class _TooLargeError(DamageError):
    """A decoder has a limit of its own."""


@contextmanager
def decoder() -> Generator[None]:
    """Stand around a call into a decoder that is not ours.

    Raises:
        CutOffError, DamageError: Whatever it raises about a bad file; errors of the disk and of
            memory go through as they are.
    """
    try:
        # tifffile lets NumPy count with numbers from the file; overflows would reach stderr.
        with np.errstate(all="ignore"):
            yield
    except DamageError:
        raise
    except Image.DecompressionBombError as error:
        raise _TooLargeError from error
    except _DECODERS_RAISE as error:
        if isinstance(error, OSError) and error.errno:
            raise
        text = str(error).lower()
        cut = isinstance(error, EOFError) or any(word in text for word in _CUT_WORDS)
        raise (CutOffError if cut else DamageError)(str(error)) from error


@contextmanager
def one_sentence(name: str) -> Generator[None]:
    """Tell the user in one sentence what is wrong with a file.

    Args:
        name: How the user calls the picture.

    Raises:
        PictureError: It is damaged, does not fit the memory, or the disk refuses. What else is
            raised inside is a bug, and goes through.
    """
    try:
        yield
    except MemoryError:
        raise PictureError(
            f"cannot read {name}: there is not enough memory to decode it",
            "Close other programs or use a smaller picture",
        ) from None
    except _TooLargeError:
        raise PictureError(
            f"cannot read {name}: it is larger than its decoder allows",
            "Convert it to PNG or TIFF first",
        ) from None
    except DamageError as error:
        state = "truncated" if isinstance(error, CutOffError) else "damaged or truncated"
        raise PictureError(
            f"cannot read {name}: the file is {state}", "Copy, download or export it again"
        ) from error
    except OSError as error:
        if not error.errno:
            raise
        raise PictureError(
            f"cannot read {name}: {reason_of(error)}", "Check the disk or the network"
        ) from error
