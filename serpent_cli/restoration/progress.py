"""Progress through the tiles of a picture that crosses the network once or twice."""

from collections.abc import Callable

OnTile = Callable[[int, int], None]


class Progress:
    """Counts tiles over one or two planes (colours, alpha) for a caller."""

    def __init__(self, on_tile: OnTile | None, planes: int) -> None:
        self.on_tile, self.planes, self.plane = on_tile, planes, -1
        self.done = self.tiles = 0

    def start(self, tiles: int) -> None:
        """A plane begins, or begins anew with smaller tiles."""
        self.plane = min(self.plane + 1, self.planes - 1)
        self.tiles, self.done = tiles, self.plane * tiles

    def step(self) -> None:
        """One tile is done."""
        self.done += 1
        if self.on_tile is not None:
            self.on_tile(min(self.done, self.tiles * self.planes), self.tiles * self.planes)
