"""The command line of a restoring command as one record: parsed once, its weights found once."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from serpent_cli.cli import options
from serpent_cli.cli.weights import find_weights
from serpent_cli.errors import UsageError
from serpent_cli.restoration.arguments import parse_region, parse_tile
from serpent_cli.restoration.memory_budget import memory_of
from serpent_cli.settings import SERVER

if TYPE_CHECKING:
    from serpent_cli.imaging.formats import Format
    from serpent_cli.imaging.geometry import Geometry
    from serpent_cli.zoo.locate import Located


@dataclass(frozen=True, kw_only=True)
class Request:
    """The command line of a restoring command; fields as the options of the same name.

    What a word of it means is worked out when it is first asked for, and then kept.
    """

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

    task: ClassVar[str] = "deblur"
    done: ClassVar[str] = "deblurred"

    def wanted_scale(self) -> int | None:
        """Output pixels per input pixel that are demanded; None leaves it to `size`."""
        return 1

    def known_scales(self) -> list[int]:
        """Scales that a size chooses from, in rising order."""
        return [1]

    def tag(self, scale: int) -> str:
        """What names of our own say was done."""
        return self.done

    def model_for(self, scale: int) -> str:
        """What is named, or `deblur`, which is blind to noise too."""
        return self.model or "deblur"

    def weights_for(self, scale: int) -> "Located":
        """The weights, found or fetched when they are first asked for.

        Raises:
            ModelError: There are none, or they cannot be had.
        """
        name = self.model_for(scale)
        if name not in self._found:
            quiet = self.quiet or self.model is None  # ours are here
            self._found[name] = find_weights(name, offline=self.offline, quiet=quiet)
        return self._found[name]

    @cached_property
    def _found(self) -> "dict[str, Located]":
        return {}

    @cached_property
    def box(self) -> tuple[int, int, int, int] | None:
        """The region (x, y, w, h) in input pixels."""
        return parse_region(self.region)

    @cached_property
    def geometry(self) -> "Geometry | None":
        """What results are resampled to; None: they stay as they are."""
        from serpent_cli.imaging.geometry import Geometry

        return Geometry.parse(self.size) if self.size else None

    @cached_property
    def chosen(self) -> "Format | None":
        """What all results are written as; None for the format of each input."""
        from serpent_cli.imaging.formats import format_named

        return format_named(self.format) if self.format else None

    @cached_property
    def side(self) -> str | int:
        """`auto`, `whole`, or the side of a tile in input pixels."""
        return parse_tile(self.tile)

    @cached_property
    def memory_bytes(self) -> int | None:
        """Bytes that the process may reach, as demanded."""
        return memory_of(self.max_memory)

    @cached_property
    def vram_bytes(self) -> int | None:
        """Bytes of a device's own memory, as demanded."""
        return memory_of(self.max_vram)

    @cached_property
    def devices(self) -> tuple[str, ...]:
        """The devices that are named, each once."""
        return tuple(name.strip() for name in self.device.split(","))

    def check(self) -> None:
        """Refuse what can be seen to be wrong before anything is loaded.

        Raises:
            UsageError: A word that makes no sense.
            DeviceError: A device that this machine does not have, or a server that is not there.
        """
        from serpent_cli.restoration.device_names import check_device, check_precision

        _ = self.box, self.side
        check_precision(self.precision)
        _ = self.memory_bytes, self.vram_bytes
        if self.server:
            self._check_server()
        elif self.engine == "ray":  # other machines may have other devices
            self._check_ray()
        else:
            for name in self.devices:
                check_device(name)

    def _check_ray(self) -> None:
        """Refuse what Ray decides, and see that it is there."""
        from serpent_cli.batch.ray_cluster import require

        if self.threads:
            raise UsageError("--engine ray shares out the cores itself", hint="leave out --threads")
        require()

    def _check_server(self) -> None:
        """Refuse what only a server decides, and see that one is there."""
        from serpent_cli.serving.client import check

        given = {
            "--device": self.device != "auto", "--precision": self.precision != "auto",
            "--max-memory": self.max_memory is not None, "--threads": self.threads is not None,
            "--max-vram": self.max_vram is not None, "--jobs": self.jobs != 1,
        }  # fmt: skip
        if found := next((option for option, said in given.items() if said), None):
            raise UsageError(f"{found} is for the server to decide", "give it to `serpent serve`")
        if self.engine != "local" or self.dry_run:
            other = "--engine ray" if self.engine != "local" else "--dry-run"
            raise UsageError(f"--server and {other} do not go together", "leave one of them out")
        check(server_address())


def server_address() -> str:
    """Where the server is."""
    from serpent_cli.serving.wire import default_socket

    return SERVER.get() or str(default_socket())


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
