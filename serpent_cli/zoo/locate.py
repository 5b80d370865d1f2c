"""From a name or a path to a file of weights and its card; a name is never taken for a path."""

import difflib
from pathlib import Path

from serpent_cli.errors import ModelError
from serpent_cli.zoo.card import Card

_PACKAGE = Path(__file__).resolve().parent.parent


def weights_folder() -> Path:
    """Where the bundled weights lie: inside the installed package, or beside it in a checkout."""
    installed = _PACKAGE / "weights"
    return installed if installed.is_dir() else _PACKAGE.parent / "weights"


def list_cards() -> list[Card]:
    """Cards of all bundled weights, by name."""
    return [Card.read(path) for path in sorted(weights_folder().glob("*.json"))]


def locate(name_or_path: str) -> tuple[Path, Card]:
    """Find weights.

    Args:
        name_or_path: A bundled name such as `deblur`, or a path that contains a separator or ends
            in `.safetensors`.

    Returns:
        The file of weights and its card.

    Raises:
        ModelError: No such name, no such file, or its card is malformed.
    """
    if is_path(name_or_path):
        path = Path(name_or_path)
        if not path.is_file():
            raise ModelError(
                f"there are no weights at {name_or_path}",
                hint="give a bundled name (`serpent models list`) or a path to .safetensors",
            )
        from serpent_cli.zoo.checkpoint import card_of_file  # loads torch, which names do not need

        beside = path.with_suffix(".json")
        return path, Card.read(beside) if beside.is_file() else card_of_file(path)
    cards = {card.name: card for card in list_cards()}
    if name_or_path not in cards:
        raise ModelError(
            f"there is no model named {name_or_path!r}", hint=_suggest(name_or_path, cards)
        )
    card = cards[name_or_path]
    return weights_folder() / card.file, card


def upscaler(scale: int) -> str:
    """Name of the bundled weights that enlarge by `scale`.

    Raises:
        ModelError: There are none; the hint names the scales that exist.
    """
    scales = {card.scale: card.name for card in list_cards() if card.task == "upscale"}
    if scale not in scales:
        known = ", ".join(f"--scale {known}" for known in sorted(scales)) or "none yet"
        raise ModelError(f"no bundled model enlarges by {scale}", hint=f"there are: {known}")
    return scales[scale]


def is_path(name_or_path: str) -> bool:
    """Whether the argument is spelt as a path: with a separator, or ending in .safetensors."""
    return any(mark in name_or_path for mark in ("/", "\\")) or name_or_path.endswith(
        ".safetensors"
    )


def _suggest(name: str, cards: dict[str, Card]) -> str:
    close = difflib.get_close_matches(name, cards, n=2)
    known = " or ".join(close) if close else ", ".join(cards) or "none"
    lead = "did you mean" if close else "the bundled models are"
    return f"{lead} {known}; a file is given as ./{name}.safetensors"
