"""What the shell offers when a word is completed; nothing here loads torch or asks a network."""

from collections.abc import Callable

from serpent_cli.errors import SerpentError

Offers = list[tuple[str, str]]
"""Words, each with what it means."""


def one_of(*words: str) -> Callable[[str], Offers]:
    """A completion that offers these words."""

    def offer(incomplete: str) -> Offers:
        return [(word, "") for word in words if word.startswith(incomplete)]

    return offer


def models(incomplete: str) -> Offers:
    """Names of bundled and registered models."""
    from serpent_cli.zoo.locate import list_cards

    try:
        cards = list_cards()
    except SerpentError:  # a damaged card: a key press is no place to say so
        return []
    return [(card.name, card.description) for card in cards if card.name.startswith(incomplete)]


def scales(incomplete: str) -> Offers:
    """Scales that a bundled model enlarges by."""
    from serpent_cli.zoo.locate import upscale_scales

    try:
        found = upscale_scales()
    except SerpentError:
        return []
    return [(str(scale), "") for scale in found if str(scale).startswith(incomplete)]
