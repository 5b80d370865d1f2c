"""Tiles, regions and strengths as users give them, in words or from Python."""

from serpent_cli.errors import UsageError


def parse_tile(text: str) -> str | int:
    """`auto`, `whole`, or a number of pixels.

    Raises:
        UsageError: None of these.
    """
    if text in ("auto", "whole"):
        return text
    if not text.isdigit() or int(text) == 0:
        raise UsageError(
            f"--tile {text} is not auto, whole or a number", hint="for instance --tile 512"
        )
    return int(text)


def parse_region(text: str | None) -> tuple[int, int, int, int] | None:
    """Four whole numbers x,y,w,h.

    Raises:
        UsageError: Something else.
    """
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdigit() for part in parts):
        raise UsageError(
            f"--region {text} is not four whole numbers",
            hint="for instance --region 100,50,640,480",
        )
    x, y, w, h = (int(part) for part in parts)
    return x, y, w, h


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
