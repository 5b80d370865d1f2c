"""Restore photographs with selective state spaces; importing this loads neither torch nor rich."""

from typing import TYPE_CHECKING, Any

from serpent_cli.version import __version__ as __version__

if TYPE_CHECKING:
    from serpent_cli.restoration.restorer import Restorer as Restorer
    from serpent_cli.restoration.simple import restore as restore
    from serpent_cli.zoo.locate import list_cards as list_models
    from serpent_cli.zoo.pretrained import Serpent as Serpent


__all__ = ["Restorer", "Serpent", "__version__", "list_models", "restore"]


def __getattr__(name: str) -> Any:
    """Load the public names when they are first asked for."""
    if name == "Restorer":
        from serpent_cli.restoration.restorer import Restorer

        return Restorer
    if name == "Serpent":
        from serpent_cli.zoo.pretrained import Serpent

        return Serpent
    if name == "restore":
        from serpent_cli.restoration.simple import restore

        return restore
    if name == "list_models":
        from serpent_cli.zoo.locate import list_cards

        return list_cards
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
