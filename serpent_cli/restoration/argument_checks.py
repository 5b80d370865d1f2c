"""Checks of what a caller demands from Python, as the command line checks its words."""

from serpent_cli.errors import UsageError


def check_arguments(tile: str | int, strength: float) -> None:
    """Refuse a tile or a strength that makes no sense.

    Args:
        tile: `auto`, `whole`, or the side of a tile in input pixels, at least 1.
        strength: Share of the change to make, 0 to 1.

    Raises:
        UsageError: One of them is something else.
    """
    whole = type(tile) is int and tile > 0
    if not whole and tile not in ("auto", "whole"):
        raise UsageError(
            f"tile={tile!r} is not 'auto', 'whole' or a number", hint="for instance tile=512"
        )
    # Written so that NaN is refused too.
    if type(strength) not in (int, float) or not 0 <= strength <= 1:
        raise UsageError(f"strength={strength!r} is not between 0 and 1", hint="1 is all of it")
