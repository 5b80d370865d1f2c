"""Picture: pixels in the file's own depth, with everything that must survive beside them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serpent_cli.imaging.jpeg_quality import JpegQuality

Samples = NDArray[Any]
"""An array of uint8, uint16 or float32 samples."""

MAX_VALUES: dict[str, float] = {"uint8": 255, "uint16": 65535, "float32": 1.0}
"""The value of full white (and of full opacity) by dtype name."""


@dataclass(frozen=True)
class Picture:
    """One upright picture.

    Attributes:
        pixels: (H, W, 3), uint8 in [0, 255], uint16 in [0, 65535] or float32 in [0, 1]; R, G, B.
        alpha: (H, W), same dtype and range as `pixels`, not premultiplied; None when all is opaque.
        grey: The file has one channel: the three channels of `pixels` are equal, and one is
            written back.
        icc: The ICC profile that gives `pixels` their meaning; None reads as sRGB.
        exif: EXIF block from its byte-order mark on (no "Exif" prefix), orientation 1.
        xmp: XMP packet, orientation 1.
        dpi: Horizontal and vertical pixels per inch.
        format: Name of the format it was read from, such as "PNG"; empty when made in memory.
        warnings: One sentence for each thing that reading could not keep.
        quality: How the JPEG was made that it was read from, so that a JPEG is written alike;
            None for every other source.
        density: Horizontal and vertical pixels per length of unknown unit, of which only the ratio
            counts: the pixels are not square. None where they are, or `dpi` says it.
        cicp: Numbers of primaries and transfer curve (ITU-T H.273) where the file describes its
            colours by them; None for sRGB, or where only a profile tells.
        bits: Bits per sample of the file, where they are fewer than those of the dtype; else 0.
        lossless: It was read from a lossless WebP or AVIF: written so again, it stays one.

    Raises:
        ValueError: Shapes or dtypes do not fit together.
    """

    pixels: Samples
    alpha: Samples | None = None
    grey: bool = False
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    format: str = ""
    warnings: tuple[str, ...] = ()
    quality: JpegQuality | None = None
    density: tuple[int, int] | None = None
    cicp: tuple[int, int] | None = None
    bits: int = 0
    lossless: bool = False

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.size == 0:
            raise ValueError(f"pixels must be (H, W, 3) and not empty, not {self.pixels.shape}")
        if self.pixels.dtype.name not in MAX_VALUES:
            raise ValueError(f"pixels must be {', '.join(MAX_VALUES)}, not {self.pixels.dtype}")
        if self.alpha is None:
            return
        if self.alpha.shape != self.pixels.shape[:2] or self.alpha.dtype != self.pixels.dtype:
            raise ValueError(
                f"alpha {self.alpha.shape} {self.alpha.dtype} does not fit pixels"
                f" {self.pixels.shape} {self.pixels.dtype}"
            )

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return self.pixels.shape[1]

    @property
    def samples_per_pixel(self) -> int:
        """Samples of a pixel that are held: 3, or 4 with alpha."""
        return 3 if self.alpha is None else 4

    @property
    def nbytes(self) -> int:
        """Bytes of all samples."""
        return self.height * self.width * self.samples_per_pixel * self.pixels.itemsize

    def rows(self, start: int, stop: int) -> "Picture":
        """Rows [start, stop) with all that lies beside them; the samples are views."""
        alpha = None if self.alpha is None else self.alpha[start:stop]
        return replace(self, pixels=self.pixels[start:stop], alpha=alpha)

    def channels(self) -> Samples:
        """Gather the channels as a file holds them.

        Returns:
            (H, W) for grey, else (H, W, C): grey and alpha 2, colour 3, colour and alpha 4.
        """
        colour = self.pixels[..., :1] if self.grey else self.pixels
        if self.alpha is not None:
            return np.concatenate([colour, self.alpha[..., None]], axis=2)
        return np.ascontiguousarray(colour[..., 0] if self.grey else colour)
