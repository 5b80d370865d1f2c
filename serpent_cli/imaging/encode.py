"""Encoding a picture for a format, and saying what the format could not keep."""

from typing import Any, BinaryIO

from serpent_cli.errors import PictureError, UsageError
from serpent_cli.imaging import profile
from serpent_cli.imaging.bands import all_channels, empty_like, fill_in
from serpent_cli.imaging.colour import bands
from serpent_cli.imaging.formats import Format
from serpent_cli.imaging.metadata import Metadata, exif_dpi, fit_exif, fit_xmp, take_orientation
from serpent_cli.imaging.picture import Picture, Samples

LOSSLESS = 100
"""The quality at which the formats that can code without loss do so."""

_BITS = {"uint8": 8, "uint16": 16, "float32": 32}
_DEPTH_NAMES = {"uint8": "8-bit", "uint16": "16-bit", "float32": "32-bit float"}
_CARRIED = {
    "icc": "the colour profile",
    "exif": "EXIF",
    "xmp": "XMP",
    "dpi": "the resolution (DPI)",
    "density": "the shape of pixels that are not square",
    "cicp": "the numbers of its colours (CICP), which counts as sRGB now",
}


def encode(
    picture: Picture, target: Format, stream: BinaryIO, *, quality: int | None = None
) -> tuple[str, ...]:
    """Write a picture in a format.

    A JPEG is written as the JPEG was that the picture was read from, in quality and chroma
    subsampling; at 95 without subsampling if it came from anything else. WebP is written at 95,
    AVIF at 90, both without loss if the picture came from a lossless WebP or AVIF, or at quality
    100; the others are lossless. Sizes that EXIF and XMP repeat are set to those of the
    picture.

    Args:
        picture: Any depth.
        target: One of `formats.WRITABLE`.
        stream: A new file, opened for reading and writing.
        quality: 1 to 100, for JPEG, WebP and AVIF instead of the above; no matter to the others.

    Returns:
        One sentence for each thing that the format cannot hold.

    Raises:
        UsageError: `quality` lies outside 1 to 100.
        PictureError: The picture has more pixels on a side than the format allows.
        OSError, RuntimeError, ValueError: The disk or the encoder fails.
    """
    encoding = Encoding(picture, target, stream, quality)
    encoding.write_whole(picture)
    return encoding.notes


class Encoding:
    """A picture on its way into a file, row by row or at once; errors are those of `encode`.

    What its format codes only as a whole is collected, and encoded at the end.

    Args:
        head: All of the picture but its samples.
        target: One of `formats.WRITABLE`.
        stream: A new file, opened for reading and writing.
        quality: Where the format knows any.

    Attributes:
        notes: One sentence for each thing that the format cannot hold.
        collected: What was given of a picture that is encoded as a whole.
    """

    def __init__(
        self, head: Picture, target: Format, stream: BinaryIO, quality: int | None = None
    ) -> None:
        check_quality(quality)
        check_sides(head, target)
        self._metadata, notes = kept_metadata(head, target)
        self.notes = pixel_losses(head, target, quality) + notes
        self._head, self._stream, self._codec = head, stream, target.codec()
        self._quality = quality_of(head, target, quality)
        begin = self._codec.rows
        self._rows = None if begin is None else begin(head, self._metadata, stream)
        self.collected: Picture | None = None
        self._done = 0

    def write(self, channels: Samples) -> None:
        """Add rows (h, W, C), C as `Picture.channels` has it."""
        if self._rows is not None:
            self._rows.write(channels)
            return
        if self.collected is None:
            self.collected = empty_like(self._head)
        self._done = fill_in(self.collected, self._done, channels)

    def write_whole(self, picture: Picture) -> None:
        """Write the picture that the head was of, and end the file."""
        if self._rows is None:
            self._encode(picture)
            return
        try:
            for rows in bands(picture.height, 4 * picture.width):
                self.write(all_channels(picture.rows(rows.start, rows.stop)))
            self.finish()
        except BaseException:
            self.cancel()
            raise

    def finish(self) -> None:
        """End the file."""
        if self._rows is not None:
            self._rows.finish()
        elif self.collected is not None:
            self._encode(self.collected)

    def cancel(self) -> None:
        """Give up."""
        if self._rows is not None:
            self._rows.cancel()

    def _encode(self, picture: Picture) -> None:
        if self._codec.encode is not None:
            self._codec.encode(picture, self._metadata, self._stream, self._quality)


def check_quality(quality: int | None) -> None:
    """Refuse a quality that is none.

    Raises:
        UsageError: It lies outside 1 to 100.
    """
    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(
            f"there is no quality {quality}", "Qualities go from 1 (smallest) to 100 (best)"
        )


def check_sides(picture: Picture, target: Format) -> None:
    """Refuse a picture whose sides are too long for a format.

    Raises:
        PictureError: One of them is.
    """
    if max(picture.height, picture.width) > target.max_side:
        raise PictureError(
            f"{target.name} holds at most {target.max_side} pixels per side, and the picture is"
            f" {picture.width}x{picture.height}",
            "Write it as PNG or TIFF",
        )


def quality_of(picture: Picture, target: Format, quality: int | None) -> int:
    """The quality at which a picture is written in a format that may lose; 100 loses nothing.

    Args:
        picture: What is to be written.
        target: Where nothing is lost anyway, it is no matter.
        quality: What is asked for.
    """
    if picture.quality is not None and not target.exact:
        return quality or picture.quality.quality
    if target.quality is None or (picture.lossless and target.exact):
        return quality or LOSSLESS
    return quality or target.quality


def pixel_losses(picture: Picture, target: Format, quality: int | None = None) -> tuple[str, ...]:
    """Say what of the pixels a format cannot hold."""
    notes: tuple[str, ...] = ()
    have = picture.pixels.dtype.name
    bits = picture.bits or _BITS[have]
    if bits > target.bits:
        name = f"{bits}-bit" if picture.bits else _DEPTH_NAMES[have]
        notes += (
            f"{target.name} holds {target.bits}-bit samples at most:"
            f" the {name} picture was rounded",
        )
    if picture.alpha is not None and not target.alpha:
        notes += (f"{target.name} cannot hold transparency: the alpha channel was left out",)
    if picture.lossless and target.quality is not None and picture.format == target.name:
        chosen = quality_of(picture, target, quality)
        if not target.exact or chosen < LOSSLESS:
            notes += (f"It was coded without loss, and is not at quality {chosen}",)
    return notes


def kept_metadata(picture: Picture, target: Format) -> tuple[Metadata, tuple[str, ...]]:
    """Choose the metadata that a format holds, fitted to the size, and say what it does not."""
    height, width = picture.height, picture.width
    taken = take_orientation(Metadata(exif=picture.exif or None))
    icc, notes = _fitting_profile(picture, target)
    values: dict[str, Any] = {
        "icc": icc,
        "exif": fit_exif(taken.exif, height, width) if taken.exif else None,
        "xmp": fit_xmp(picture.xmp, height, width) if picture.xmp else None,
        "dpi": picture.dpi,
        "density": picture.density,
        "cicp": picture.cicp,
    }
    notes = taken.warnings + notes
    for key, value in values.items():
        if value is None:
            continue
        too_long = key in target.longest and len(value) > target.longest[key]
        # A resolution that EXIF has too lives on there, numbers of colours in a profile.
        lives_on = key == "dpi" and _same_resolution(values["exif"], value)
        lives_on = lives_on or (key == "cicp" and icc is not None and "icc" in target.carries)
        if key not in target.carries and not lives_on:
            notes += (f"{target.name} cannot hold {_CARRIED[key]}: it was left out",)
        elif too_long:
            notes += (f"{_CARRIED[key]} is too long for {target.name} and was left out",)
        if key not in target.carries or too_long:
            values[key] = None
    return Metadata(**values), notes


def _fitting_profile(picture: Picture, target: Format) -> tuple[bytes | None, tuple[str, ...]]:
    """The profile of as many channels as the file will have, made where there is none such."""
    grey = picture.grey and target.grey
    if picture.icc is None:
        made = None
        if picture.cicp is not None and "cicp" not in target.carries:
            made = profile.numbered(picture.cicp, grey=grey) if "icc" in target.carries else None
        return made, ()
    fitted = profile.fitted(picture.icc, grey=grey)
    if fitted is None:
        channels = "grey" if grey else "colour"
        return None, (f"Its colour profile is none for {channels} {target.name} and was left out",)
    return fitted, ()


def _same_resolution(exif: bytes | None, dpi: tuple[float, float]) -> bool:
    """Tell whether EXIF has the same resolution in its own tags."""
    found = exif_dpi(exif) if exif else None
    return found is not None and all(
        abs(a - b) <= 0.01 * b for a, b in zip(found, dpi, strict=True)
    )
