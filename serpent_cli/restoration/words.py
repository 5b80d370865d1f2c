"""Tiles and regions as they are written on a command line or in an address."""

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
