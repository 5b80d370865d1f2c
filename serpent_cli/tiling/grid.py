"""From a picture's size to the tiles that cover it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """Pixels [start, stop) of one axis."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """Pixels in the span."""
        return self.stop - self.start


def rounded_up(length: int, multiple: int) -> int:
    """The least multiple of `multiple` that is no less than a length in pixels."""
    return -(-length // multiple) * multiple


def spans(length: int, tile: int, overlap: int, multiple: int = 1) -> tuple[Span, ...]:
    """Cover one axis by as few equal tiles as possible, each overlapping the next.

    The tiles are then made as small as their number allows: less is computed twice. Every start is
    a multiple of `multiple`, so that a network with that stride sees each tile on the same grid as
    the whole picture. The last tile is moved inwards; it may be shorter than the others by less
    than `multiple`.

    Args:
        length: Pixels of the axis, at least 1.
        tile: Most pixels of a tile, a multiple of `multiple`.
        overlap: Least pixels that neighbours share, less than `tile` - `multiple`.
        multiple: Grid of the starts.

    Returns:
        Spans in order; one span when the axis fits into one tile.

    Raises:
        ValueError: The tile is too small for its overlap, or not on the grid.
    """
    if tile % multiple or not 0 <= overlap <= tile - multiple:
        raise ValueError(f"a tile of {tile} cannot overlap by {overlap} on a grid of {multiple}")
    if length <= tile:
        return (Span(0, length),)
    overlap = rounded_up(overlap, multiple)
    count = -(-(length - overlap) // (tile - overlap))
    tile = rounded_up(-(-(length + (count - 1) * overlap) // count), multiple)
    last = rounded_up(length - tile, multiple)
    starts = [*range(0, last, tile - overlap), last]
    return tuple(Span(start, min(start + tile, length)) for start in starts)
