"""Writing by bands: rows as they become ready, to a file that appears when it is whole."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from serpent_cli.imaging.bands import channel_count
from serpent_cli.imaging.encode import Encoding, check_quality
from serpent_cli.imaging.formats import format_for
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.imaging.write import errors_as_sentences
from serpent_cli.whole_files import replacing


def written_by_bands(path: Path) -> bool:
    """Whether a picture of this name is written without being held whole: PNG and TIFF.

    Raises:
        UsageError: No format goes by the suffix.
    """
    return format_for(path).by_rows


class BandWriter:
    """A picture that is written from the top down; a context, at whose end the file appears.

    PNG and TIFF are encoded row by row; a picture in another format is collected and encoded at the
    end. Pixels and metadata are those of `write_picture`.

    Args:
        path: The file; its folder must exist.
        head: All of the picture but its samples, as `bands.resized` makes it.
        force: Replace an existing file.
        quality: As for `write_picture`.
        on_ready: Called with the encoded file and the notes before it takes its name.

    Raises:
        UsageError: No format goes by the suffix, or `quality` lies outside 1 to 100.
    """

    def __init__(
        self,
        path: str | Path,
        head: Picture,
        *,
        force: bool = False,
        quality: int | None = None,
        on_ready: Callable[[BinaryIO, tuple[str, ...]], None] | None = None,
    ) -> None:
        check_quality(quality)
        self.head = head
        self._target, self._force = Path(path), force
        self._quality = quality
        self._format = format_for(self._target)
        self._shape = head.width, channel_count(head)
        self._done, self._on_ready = 0, on_ready

    def __enter__(self) -> Self:
        """Begin the file.

        Raises:
            PictureError: The file exists and `force` is not given, the format is too small for the
                picture, or the folder or the disk refuses.
        """
        with errors_as_sentences(self._target), ExitStack() as stack:
            self._stream = stack.enter_context(replacing(self._target, force=self._force))
            self._encoding = Encoding(self.head, self._format, self._stream, self._quality)
            self._stack = stack.pop_all()
        return self

    @property
    def collected(self) -> Picture | None:
        """The picture, complete, of a format that is encoded whole; None where it is by bands."""
        return self._encoding.collected

    @property
    def notes(self) -> tuple[str, ...]:
        """What the format cannot hold."""
        return self._encoding.notes

    def write(self, channels: Samples) -> None:
        """Add the next rows.

        Args:
            channels: (h, W, C) of the picture's depth, C as `Picture.channels` has it. It may be
                used again afterwards.

        Raises:
            PictureError: The disk or the encoder fails.
            ValueError: Rows of another shape, or more than the picture has.
        """
        self._done += len(channels)
        fits = channels.ndim == 3 and channels.shape[1:] == self._shape
        if not fits or self._done > self.head.height or channels.dtype != self.head.pixels.dtype:
            raise ValueError(f"rows {channels.shape} {channels.dtype} do not fit the picture")
        with errors_as_sentences(self._target):
            self._encoding.write(channels)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the file, or remove what there is of it after an error."""
        if error is not None:
            self._encoding.cancel()
            self._stack.__exit__(kind, error, traceback)
            return
        with errors_as_sentences(self._target), self._stack:
            try:
                if self._done < self.head.height:
                    raise ValueError(f"only {self._done} of {self.head.height} rows were given")
                self._encoding.finish()
                if self._on_ready is not None:
                    self._stream.flush()
                    self._on_ready(self._stream, self.notes)
            except BaseException:
                self._encoding.cancel()
                raise
