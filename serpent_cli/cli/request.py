"""The command line of `deblur` and `upscale` as one record, declared once."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from serpent_cli.cli import options


@dataclass(frozen=True, kw_only=True)
class Request(ABC):
    """The parsed command line of a restoring command; fields as the options of the same name."""

    inputs: options.Inputs = None
    output: options.Output = None
    recursive: options.Recursive = False
    from0: options.FromZero = False
    name: options.Name = None
    format: options.FormatOption = None
    quality: options.Quality = None
    size: options.Size = None
    force: options.Force = False
    strength: options.Strength = 1.0
    region: options.RegionOption = None
    model: options.Model = None
    offline: options.Offline = False
    device: options.Device = "auto"
    jobs: options.Jobs = 1
    engine: options.Engine = "local"
    server: options.ServerOption = False
    precision: options.Precision = "auto"
    max_memory: options.MaxMemory = None
    max_vram: options.MaxVram = None
    tile: options.Tile = "auto"
    max_pixels: options.MaxPixels = options.DEFAULT_MAX_PIXELS
    threads: options.Threads = None
    manifest: options.ManifestOption = None
    dry_run: options.DryRun = False
    fail_fast: options.FailFast = False
    quiet: options.Quiet = False
    json: options.Json = False

    task: ClassVar[str] = ""

    def wanted_scale(self) -> int | None:
        """Output pixels per input pixel that are demanded; None leaves it to `size`."""
        return 1

    @abstractmethod
    def tag(self, scale: int) -> str:
        """What names of our own say was done."""

    @abstractmethod
    def model_for(self, scale: int) -> str:
        """Name or path of the weights."""


R = TypeVar("R", bound=Request)


def takes(request: type[R]) -> Callable[[Callable[[R], None]], Callable[..., None]]:
    """Give a command the options that a record's fields are, and hand it the record."""

    def decorate(command: Callable[[R], None]) -> Callable[..., None]:
        def parsed(**values: Any) -> None:
            command(request(**values))

        parsed.__name__, parsed.__doc__ = command.__name__, command.__doc__
        signature = inspect.signature(request, eval_str=True)
        parsed.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]
        parsed.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        return parsed

    return decorate
