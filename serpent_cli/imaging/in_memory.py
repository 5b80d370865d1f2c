"""Pictures that are in memory already: numpy arrays and Pillow images, to Pictures and back."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from serpent_cli.errors import PictureError
from serpent_cli.imaging.picture import MAX_VALUES, Picture, Samples
from serpent_cli.imaging.stored_samples import split_channels

if TYPE_CHECKING:
    from PIL.Image import Image

PNG_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16")
TIFF_MODES = ("CMYK", "F")


def to_picture(image: Any) -> Picture:
    """What holds a picture, as a Picture.

    Args:
        image: A Picture, a path, a Pillow image, or an array (H, W) or (H, W, C) of uint8, uint16,
            or float32 in [0, 1]: 1 channel grey, 2 grey and alpha, 3 colour, 4 colour and alpha.

    Raises:
        PictureError: It holds no picture.
    """
    if isinstance(image, Picture):
        return image
    if isinstance(image, str | Path):
        from serpent_cli.imaging.read import read_picture  # arrays need no codecs

        return read_picture(Path(image))
    if isinstance(image, np.ndarray):
        return from_array(cast(Samples, image))
    if hasattr(image, "mode") and hasattr(image, "save"):
        return from_image(image)
    raise PictureError(
        f"a {type(image).__name__} is not a picture",
        hint="give a path, a numpy array, a Pillow image or a Picture",
    )


def like(picture: Picture, image: Any) -> Any:
    """A result in the form in which its input was given; a path's is a Picture."""
    if isinstance(image, Picture | str | Path):
        return picture
    if isinstance(image, np.ndarray):
        channels = picture.channels()
        return channels[..., None] if image.ndim == 3 and image.shape[2] == 1 else channels
    return to_image(picture)


def from_array(array: Samples) -> Picture:
    """A Picture of the samples of an array; see `to_picture`.

    Raises:
        PictureError: Shape, type or range are not those of a picture.
    """
    if array.dtype.name not in MAX_VALUES:
        raise PictureError(
            f"an array of {array.dtype} is not a picture",
            hint="give uint8, uint16, or float32 in [0, 1]: for instance array.astype('float32')",
        )
    samples = array[..., None] if array.ndim == 2 else array
    if samples.ndim != 3 or not 1 <= samples.shape[2] <= 4 or samples.size == 0:
        raise PictureError(
            f"an array of shape {array.shape} is not a picture",
            hint="give (H, W) or (H, W, 1 to 4)",
        )
    if samples.dtype == np.float32 and not (samples.min() >= 0 and samples.max() <= 1):
        raise PictureError(
            "float samples lie outside 0 to 1", hint="divide by the value of white, and clip"
        )
    return Picture(*split_channels(samples, 1))


def from_image(image: "Image") -> Picture:
    """A Picture of a Pillow image, read as its file would be: upright, palettes in colour.

    Raises:
        PictureError: Its mode is none that files are read in.
    """
    if image.mode not in PNG_MODES + TIFF_MODES:
        raise PictureError(
            f"an image of mode {image.mode} cannot be restored",
            hint="image.convert('RGB') gives one that can",
        )
    from serpent_cli.imaging.read import read_picture

    stream = io.BytesIO()
    known = {key: image.info[key] for key in ("icc_profile", "dpi", "transparency")
             if key in image.info}  # fmt: skip
    exif = image.getexif()
    if image.mode in PNG_MODES:
        image.save(stream, "PNG", compress_level=0, exif=exif, **known)
    else:
        image.save(stream, "TIFF", exif=exif, **known)
    stream.seek(0)
    return read_picture(stream)


def to_image(picture: Picture) -> "Image":
    """A Pillow image of a Picture, with its ICC profile, EXIF data and resolution.

    Raises:
        PictureError: Pillow has no mode for it, such as 16-bit colour.
    """
    from PIL import Image

    try:
        image = Image.fromarray(picture.channels())
    except TypeError as error:
        raise PictureError(
            f"Pillow holds no {picture.pixels.dtype} colour",
            hint="give the picture as a numpy array",
        ) from error
    known = {"icc_profile": picture.icc, "exif": picture.exif, "dpi": picture.dpi}
    image.info.update({key: value for key, value in known.items() if value is not None})
    return image
