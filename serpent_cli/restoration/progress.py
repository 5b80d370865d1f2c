"""Progress through the tiles of a picture that crosses the network once or twice."""

from collections.abc import Callable

OnTile = Callable[[int, int], None]


class Progress:
    """Counts tiles over one or two planes (colours, alpha) for a caller.

    Args:
        on_tile: Called with (tiles done, tiles in all); first with none done.
        planes: 1 or 2.
    """

    def __init__(self, on_tile: OnTile | None, planes: int) -> None:
        self.on_tile, self.planes, self.plane = on_tile, planes, -1
        self.done = self.tiles = 0
        self._told: tuple[int, int] | None = None

    def start(self, tiles: int) -> None:
        """A plane begins, or begins anew with smaller tiles."""
        self.plane = min(self.plane + 1, self.planes - 1)
        self.tiles, self.done = tiles, self.plane * tiles
        self._tell()

    def step(self) -> None:
        """One tile is done."""
        self.done += 1
        self._tell()

    def _tell(self) -> None:
        total = self.tiles * self.planes
        told = min(self.done, total), total
        if self.on_tile is not None and told != self._told:
            self._told = told
            self.on_tile(*told)
