"""Restore photographs with selective state spaces; importing this loads neither torch nor rich."""

from serpent_cli.version import __version__ as __version__

# Type checkers know the name. The module `typing` is left out: what is loaded here is loaded before
# `__main__` can hear Ctrl-C.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from serpent_cli.api import Picture as Picture
    from serpent_cli.api import list_models as list_models
    from serpent_cli.api import load as load
    from serpent_cli.api import read_picture as read_picture
    from serpent_cli.api import restore as restore
    from serpent_cli.api import write_picture as write_picture
    from serpent_cli.restoration.restorer import Restorer as Restorer
    from serpent_cli.zoo.pretrained import Serpent as Serpent

_IN = {
    **dict.fromkeys(
        ("Picture", "list_models", "load", "read_picture", "restore", "write_picture"),
        "serpent_cli.api",
    ),
    "Restorer": "serpent_cli.restoration.restorer",
    "Serpent": "serpent_cli.zoo.pretrained",
}

__all__ = [
    "Picture", "Restorer", "Serpent", "__version__", "list_models", "load", "read_picture",
    "restore", "write_picture",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Load the public names when they are first asked for."""
    from importlib import import_module

    if name not in _IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_IN[name]), name)
