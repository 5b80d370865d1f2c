"""`serpent upscale`."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from serpent_cli.cli import completing
from serpent_cli.cli.help_pages import show_examples
from serpent_cli.cli.request import Request, takes
from serpent_cli.cli.restoring import restore_files
from serpent_cli.zoo.names import NATURAL, Style, check_style


@dataclass(frozen=True, kw_only=True)
class _Enlarging:
    scale: Annotated[
        int | None,
        typer.Option(
            "--scale", "-s", min=1, metavar="N", show_default="8, crisp 4, or what --size needs",
            help="Output pixels per input pixel and axis.", autocompletion=completing.scales,
        ),
    ] = None  # fmt: skip
    style: Annotated[
        Style | None,
        typer.Option(
            "--style", show_default=NATURAL,
            help="natural keeps to what is there and stays soft; crisp, at scale 4, invents texture"
            " that may have been there: not for evidence or measurement.",
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class UpscaleRequest(Request, _Enlarging):
    """The command line of `upscale`."""

    task: ClassVar[str] = "upscale"

    def check(self) -> None:
        """As of every request, and the style."""
        check_style(self.style, self.task, self.model)
        super().check()

    def wanted_scale(self) -> int | None:
        """As demanded; for a size as named weights have it; else the largest of the style."""
        if self.size is None or self.scale is not None:
            return self.scale or self.known_scales()[-1]
        return None if self.model is None else self.weights_for(1).card.scale

    def known_scales(self) -> list[int]:
        """Those that bundled weights of the style have."""
        from serpent_cli.zoo.locate import upscale_scales

        return upscale_scales(self.style)

    def tag(self, scale: int) -> str:
        """Such as `x8`, or `upscaled` if a size is demanded; the style, if it is another one."""
        done = f"x{scale}" if self.size is None else "upscaled"
        return done if self.style in (None, NATURAL) else f"{done}_{self.style}"

    def model_for(self, scale: int) -> str:
        """The bundled weights of this scale and style, or what is named."""
        from serpent_cli.zoo.locate import upscaler

        return self.model or upscaler(scale, self.style)


def upscale(request: UpscaleRequest) -> None:
    """Enlarge small pictures by 2, 4 or 8.

    Without -o, NAME_x8.EXT is written beside each input, and a folder's pictures go to FOLDER_x8/;
    in the style crisp it is NAME_x4_crisp.EXT and FOLDER_x4_crisp/.
    """
    restore_files(request)


show_examples(
    upscale,
    ("serpent upscale --scale 8 in.png -o out.png", "one picture"),
    ("serpent upscale thumbnails/", "a folder, to thumbnails_x8/"),
    ("serpent upscale in.png --size 1920x1080", "as large as fits into 1920 x 1080"),
    ("serpent upscale in.png --style crisp", "by 4, sharper, with invented texture"),
    ("serpent upscale in.png --region 40,40,64,64", "only a part of it"),
)
command = takes(UpscaleRequest)(upscale)
