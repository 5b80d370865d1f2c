"""`serpent upscale`."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from serpent_cli.cli import completing
from serpent_cli.cli.help_pages import show_examples
from serpent_cli.cli.request import Request, takes
from serpent_cli.cli.restoring import restore_files

DEFAULT_SCALE = 8


@dataclass(frozen=True, kw_only=True)
class _Scale:
    scale: Annotated[
        int | None,
        typer.Option(
            "--scale", "-s", min=1, metavar="N", show_default="8, or what --size needs",
            help="Output pixels per input pixel and axis.", autocompletion=completing.scales,
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class UpscaleRequest(Request, _Scale):
    """The command line of `upscale`."""

    task: ClassVar[str] = "upscale"

    def wanted_scale(self) -> int | None:
        """As demanded, or as named weights have it for a size; 8 if nothing is said."""
        if self.size is None or self.scale is not None:
            return self.scale or DEFAULT_SCALE
        return None if self.model is None else self.weights_for(1).card.scale

    def tag(self, scale: int) -> str:
        """Such as `x8`; the size, if one is demanded."""
        return f"x{scale}" if self.size is None else "upscaled"

    def model_for(self, scale: int) -> str:
        """The bundled weights of this scale, or what is named."""
        from serpent_cli.zoo.locate import upscaler

        return self.model or upscaler(scale)


def upscale(request: UpscaleRequest) -> None:
    """Enlarge small pictures by 2, 4 or 8.

    Without -o, NAME_x8.EXT is written beside each input, and a folder's pictures go to FOLDER_x8/.
    """
    restore_files(request)


show_examples(
    upscale,
    ("serpent upscale --scale 8 in.png -o out.png", "one picture"),
    ("serpent upscale thumbnails/", "a folder, to thumbnails_x8/"),
    ("serpent upscale in.png --size 1920x1080", "as large as fits into 1920 x 1080"),
    ("serpent upscale in.png --region 40,40,64,64", "only a part of it"),
)
command = takes(UpscaleRequest)(upscale)
