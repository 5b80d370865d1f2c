"""What client and server say to each other, besides pictures: addresses, options, errors.

Nothing here loads more than the standard library: a client starts at once.
"""

import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode

from serpent_cli.errors import (
    DeviceError,
    ModelError,
    NoInputError,
    PictureError,
    SerpentError,
    UsageError,
)
from serpent_cli.restoration.arguments import parse_region, parse_tile
from serpent_cli.settings import RUNTIME_FOLDER, SERVER
from serpent_cli.zoo.names import check_style

TASKS = ("deblur", "upscale", "denoise")
FACTS = "Serpent-Result"
"""Header of an answer that is a picture: what the manifest and --json know of it, as JSON."""
TOKEN_HINT = "set SERPENT_TOKEN to the token of the server"

_STATUS = {1: 422, 2: 400, 3: 400, 4: 404, 5: 503}
_ERRORS = {
    kind.exit_code: kind for kind in (UsageError, NoInputError, ModelError, DeviceError)
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RestoreSettings:
    """How one picture is to be restored; fields as the options of the same name.

    Attributes:
        task: One of `TASKS`.
        name: What the user calls the picture; errors say it.
    """

    task: str = "deblur"
    name: str = "the picture"
    model: str | None = None
    scale: int | None = None
    style: str | None = None
    strength: float = 1.0
    region: str | None = None
    size: str | None = None
    quality: int | None = None
    format: str | None = None
    tile: str = "auto"
    max_pixels: int | None = None

    def query(self) -> str:
        """What differs from the defaults, as the query of an address."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        wanted = {
            field.name: said[field.name]
            for field in fields(self)
            if field.name != "task" and said[field.name] != field.default
        }
        return urlencode(wanted, errors="surrogateescape")

    @classmethod
    def of(cls, task: str, query: str) -> Self:
        """Read the query of an address.

        Raises:
            UsageError: It names an option that there is not, or a value that makes no sense.
        """
        kinds = {"scale": int, "quality": int, "max_pixels": int, "strength": float}
        known = {field.name for field in fields(cls)} - {"task"}
        values: dict[str, Any] = {"task": task}
        for key, text in parse_qsl(query, keep_blank_values=True, errors="surrogateescape"):
            name = key.replace("-", "_")
            if name not in known:
                hint = f"it takes {', '.join(sorted(known))}"
                raise UsageError(f"there is no option {key!r}", hint)
            try:
                values[name] = kinds.get(name, str)(text)
            except ValueError as error:
                raise UsageError(f"{key}={text} is not a number") from error
        return cls(**values).checked()

    def checked(self) -> Self:
        """Itself.

        Raises:
            UsageError: A value makes no sense.
        """
        parse_region(self.region)
        parse_tile(self.tile)
        check_style(self.style, self.task, self.model)
        for name, least, most in (
            ("scale", 1, 64), ("quality", 1, 100), ("max_pixels", 1, 2**40), ("strength", 0, 1),
        ):  # fmt: skip
            value = getattr(self, name)
            # Written so that NaN is refused too.
            if value is not None and not least <= value <= most:
                raise UsageError(f"{name}={value} is not between {least} and {most}")
        return self


def as_json(error: SerpentError) -> dict[str, Any]:
    """An error as an answer says it."""
    return {"error": error.message, "hint": error.hint, "exit_code": error.exit_code}


def status_of(error: SerpentError) -> int:
    """The HTTP status that goes with it."""
    return getattr(error, "status", None) or _STATUS.get(error.exit_code, 500)


def as_error(said: Mapping[str, Any]) -> SerpentError:
    """The error that an answer says."""
    code, hint = said.get("exit_code"), said.get("hint")
    kind = _ERRORS.get(code if isinstance(code, int) else 1, PictureError)
    return kind(str(said.get("error", "the server failed")), str(hint) if hint else None)


def default_socket() -> Path:
    """Where the server of this user listens if nothing else is said; its folder is the user's own.

    Raises:
        UsageError: The folder belongs to somebody else.
    """
    runtime = RUNTIME_FOLDER.get()
    if runtime is not None:
        return Path(runtime) / "serpent.sock"
    if not hasattr(os, "getuid"):
        raise UsageError(
            "this system has no Unix sockets",
            hint=f"serpent serve --port 8017, and {SERVER.name}=http://127.0.0.1:8017",
        )
    folder = Path(tempfile.gettempdir()) / f"serpent-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise UsageError(f"{folder} is not a private folder of yours", "name another with --socket")
    return folder / "serpent.sock"
