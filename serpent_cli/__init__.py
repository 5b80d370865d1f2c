"""Restore photographs with selective state spaces; importing this loads neither torch nor rich."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serpent_cli.restore.restorer import Restorer as Restorer
    from serpent_cli.zoo.locate import list_cards as list_models

__version__ = "0.1.0"
__all__ = ["Restorer", "__version__", "list_models"]


def __getattr__(name: str) -> Any:
    """Load the public names when they are first asked for."""
    if name == "Restorer":
        from serpent_cli.restore.restorer import Restorer

        return Restorer
    if name == "list_models":
        from serpent_cli.zoo.locate import list_cards

        return list_cards
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
