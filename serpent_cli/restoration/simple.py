"""Restoring from Python in one call."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from serpent_cli.errors import UsageError
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.zoo.locate import upscaler

if TYPE_CHECKING:
    from PIL.Image import Image

DEFAULT_SCALE = 8

Task = Literal["deblur", "upscale"]


@overload
def restore(
    image: "Image",
    task: Task = ...,
    *,
    scale: int | None = ...,
    model: str | None = ...,
    **options: Any,
) -> "Image": ...


@overload
def restore(
    image: Samples,
    task: Task = ...,
    *,
    scale: int | None = ...,
    model: str | None = ...,
    **options: Any,
) -> Samples: ...


@overload
def restore(
    image: str | Path | Picture,
    task: Task = ...,
    *,
    scale: int | None = ...,
    model: str | None = ...,
    **options: Any,
) -> Picture: ...


def restore(
    image: Any,
    task: Task = "deblur",
    *,
    scale: int | None = None,
    model: str | None = None,
    **options: Any,
) -> Any:
    """Restore one picture, in the form in which it is given.

    The weights stay loaded for the next call with the same ones.

    Args:
        image: A Pillow image, an array (H, W) or (H, W, 1 to 4) of uint8, uint16, or float32 in
            [0, 1], a path, or a Picture.
        task: What to do.
        scale: Output pixels per input pixel and axis, of `upscale`: by default 8, or the model's.
        model: Other weights: a name, hf://owner/repo, or a path to .safetensors.
        options: Of `Restorer.from_pretrained`: device, precision, max_memory, tile, strength.

    Returns:
        A Pillow image for one, an array for one, otherwise a Picture, which `write_picture` writes.

    Raises:
        UsageError: An unknown task, or a scale that the task or the model does not have.
        SerpentError: What `Restorer.from_pretrained` and `Restorer.restore` raise.
    """
    if task not in ("deblur", "upscale"):
        raise UsageError(f"there is no task {task!r}", hint="deblur or upscale")
    if task == "deblur" and model is None and scale not in (None, 1):
        raise UsageError(f"deblur does not enlarge by {scale}", hint="task='upscale' does")
    name = model or (upscaler(scale or DEFAULT_SCALE) if task == "upscale" else "deblur")
    restorer = _loaded(name, tuple(sorted(options.items())))
    if scale is not None and restorer.scale != scale:
        raise UsageError(
            f"the model {restorer.card.name} enlarges by {restorer.scale}, not by {scale}",
            hint="`serpent models list` shows what each model does",
        )
    return restorer(image)


@lru_cache(maxsize=2)
def _loaded(name: str, options: tuple[tuple[str, Any], ...]) -> Restorer:
    return Restorer.from_pretrained(name, **dict(options))
