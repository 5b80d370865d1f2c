"""What other Python programs use: `serpent_cli` has the same names, and loads them when asked.

Reading and writing pictures loads no torch; only what restores does.
"""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack, cast, overload

from serpent_cli.errors import UsageError
from serpent_cli.imaging.picture import Picture as Picture
from serpent_cli.imaging.picture import Samples
from serpent_cli.imaging.read import read_picture as read_picture
from serpent_cli.imaging.write import write_picture as write_picture
from serpent_cli.zoo.locate import list_cards, upscaler
from serpent_cli.zoo.names import Style, check_style

if TYPE_CHECKING:
    from PIL.Image import Image

    from serpent_cli.restoration.restorer import Restorer
    from serpent_cli.zoo.card import Card


Task = Literal["deblur", "upscale"]


class Options(TypedDict, total=False):
    """How to restore.

    Attributes:
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps` or `xpu`.
        precision: `auto`, `fp32` or `bf16`.
        max_memory: Bytes that the process may reach, also as text such as `2G`; None for most of
            the machine's.
        max_vram: The same of a device's own memory.
        tile: `auto`, `whole`, or the side of a tile in input pixels.
        strength: Share of the change to make, 0 to 1.
    """

    device: str
    precision: str
    max_memory: int | str | None
    max_vram: int | str | None
    tile: str | int
    strength: float


def list_models() -> "list[Card]":
    """Cards of all bundled and registered weights, by name."""
    return list_cards()


def load(model: str = "deblur", **options: Unpack[Options]) -> "Restorer":
    """Load weights and make them ready for many pictures.

    Args:
        model: A name, hf://owner/repo[@revision][/file], or a path to .safetensors; what is not
            here is fetched.
        options: See `Options`.

    Returns:
        What restores a picture when it is called with it; see `restore`.

    Raises:
        ModelError: Unknown, missing or corrupt weights.
        DeviceError: A forced device that this machine does not have.
        UsageError: An option that makes no sense.
    """
    from serpent_cli.restoration.restorer import Restorer

    return Restorer.from_pretrained(model, **options)


@overload
def restore(
    image: "Image", task: Task = ..., *, scale: int | None = ..., style: Style | None = ...,
    model: str | None = ..., **options: Unpack[Options],
) -> "Image": ...  # fmt: skip


@overload
def restore(
    image: Samples, task: Task = ..., *, scale: int | None = ..., style: Style | None = ...,
    model: str | None = ..., **options: Unpack[Options],
) -> Samples: ...  # fmt: skip


@overload
def restore(
    image: str | Path | Picture, task: Task = ..., *, scale: int | None = ...,
    style: Style | None = ..., model: str | None = ..., **options: Unpack[Options],
) -> Picture: ...  # fmt: skip


def restore(
    image: "Image | Samples | str | Path | Picture",
    task: Task = "deblur",
    *,
    scale: int | None = None,
    style: Style | None = None,
    model: str | None = None,
    **options: Unpack[Options],
) -> "Image | Samples | Picture":
    """Restore one picture, in the form in which it is given.

    The weights stay loaded for the next call with the same ones.

    Args:
        image: A Pillow image, an array (H, W) or (H, W, 1 to 4) of uint8, uint16, or float32 in
            [0, 1], a path, or a Picture.
        task: What to do.
        scale: Output pixels per input pixel and axis, of `upscale`: by default the largest of the
            style, 8 or 4, or the model's.
        style: Of `upscale`: `natural`, the default, or `crisp`, which invents texture and has the
            scale 4 alone; not beside a model.
        model: Other weights: a name, hf://owner/repo, or a path to .safetensors.
        options: See `Options`.

    Returns:
        A Pillow image for one, an array for one, otherwise a Picture, which `write_picture` writes.

    Raises:
        UsageError: An unknown task or style, a scale that the task, the style or the model does not
            have, or a style where nothing is to be chosen.
        SerpentError: What `load` and `Restorer.restore` raise.
    """
    if task not in ("deblur", "upscale"):
        raise UsageError(f"there is no task {task!r}", hint="deblur or upscale")
    if task == "deblur" and model is None and scale not in (None, 1):
        raise UsageError(f"deblur does not enlarge by {scale}", hint="task='upscale' does")
    check_style(style, task, model)
    name = model or (upscaler(scale, style) if task == "upscale" else "deblur")
    restorer = _loaded(name, tuple(sorted(options.items())))
    if scale is not None and restorer.scale != scale:
        raise UsageError(
            f"the model {restorer.card.name} enlarges by {restorer.scale}, not by {scale}",
            hint="`serpent models list` shows what each model does",
        )
    return restorer(image)


@lru_cache(maxsize=2)
def _loaded(name: str, options: tuple[tuple[str, object], ...]) -> "Restorer":
    return load(name, **cast("Options", dict(options)))
