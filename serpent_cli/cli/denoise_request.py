"""The command line of `serpent denoise`: a photograph's options, and those of cubes."""

from dataclasses import dataclass, fields
from typing import ClassVar

from serpent_cli.cli.cube_files import Bands, Variable, White
from serpent_cli.cli.request import Request
from serpent_cli.errors import UsageError

FOR_BOTH = frozenset({"inputs", "output", "force", "model", "offline", "device", "max_memory",
                      "tile", "threads", "quiet", "json"})  # fmt: skip
"""Options that a cube has as well as a photograph."""


@dataclass(frozen=True, kw_only=True)
class CubeOptions:
    """Options that only cubes have."""

    variable: Variable = None
    bands: Bands = "auto"
    white: White = None


@dataclass(frozen=True, kw_only=True)
class DenoiseRequest(Request, CubeOptions):
    """The command line of `denoise`."""

    task: ClassVar[str] = "denoise"

    def tag(self, scale: int) -> str:
        """`denoised`."""
        return "denoised"

    def model_for(self, scale: int) -> str:
        """`deblur`, which is blind to noise too, or what is named."""
        return self.model or "deblur"

    def refuse(self, options: set[str], owners: str, instead: str) -> None:
        """Refuse options that do not belong to what is to be denoised.

        Raises:
            UsageError: One of them is given.
        """
        for field in fields(self):
            if field.name in options and getattr(self, field.name) != field.default:
                option = "--" + field.name.replace("_", "-")
                raise UsageError(f"{option} is for {owners}, not for {instead}", "leave it out")
