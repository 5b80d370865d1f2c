"""`CubeDenoiser`: cubes of any number of bands, along their own axes."""

from collections.abc import Iterator
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from serpent_cli.cubes.axes import Axes, axes_of
from serpent_cli.cubes.cube import Cube, Samples, cast, groups, release
from serpent_cli.cubes.scale import full_scale
from serpent_cli.errors import ModelError, PictureError
from serpent_cli.restoration.allocator import reused_memory
from serpent_cli.restoration.cube_plan import next_cube_plan, plan_cube
from serpent_cli.restoration.device import choose_device
from serpent_cli.restoration.memory_budget import budget_or_default, memory_of
from serpent_cli.restoration.plan import Costs, Plan
from serpent_cli.restoration.retry import in_smaller_tiles
from serpent_cli.tiling.blend import Block, OnTile, blended, in_order
from serpent_cli.zoo.card import Card
from serpent_cli.zoo.load import load_model
from serpent_cli.zoo.locate import Located

DOUBTED, TRUSTED = 5 / 255, 15 / 255
"""Noise of full scale, in deviations, up to which the axes alone are better, and from which on the
network counts in full."""

MEASURED_ROWS, AT_ONCE, MEASURED = 16, 8_400_000, 80_000_000
"""Rows that lie together, at most how many samples that is (measuring takes 50 bytes for each), and
about how many samples in all, on which the axes are measured."""


class CubeDenoiser:
    """Denoises cubes with one network on one device.

    The axes are measured once, on rows from all over the cube: see `cubes.axes`. The network sees
    each tile along the first of them; what the others tell is weighed by how much of it is the
    scene. Where there are no data, the mean of the band stands in, and there are none in the
    result.

    Args:
        model: Maps (1, channels, H, W) along the axes to the same.
        card: What is known about its weights.
        device: Where it lies.
        max_memory: Bytes that the process may reach; by default a fixed share of the machine's.
        tile: `auto`, `whole`, or the side of a tile.

    Raises:
        ModelError: The weights are for something else.
    """

    def __init__(
        self,
        model: nn.Module,
        card: Card,
        *,
        device: torch.device | None = None,
        max_memory: int | None = None,
        tile: str | int = "auto",
    ) -> None:
        if card.task != "denoise":
            raise ModelError(
                f"the model {card.name} does not denoise cubes",
                hint=f"it is for `serpent {card.task}`; `serpent models list` shows the others",
            )
        self.model, self.card, self.tile = model, card, tile
        self.device = device or torch.device("cpu")
        self.budget = budget_or_default(max_memory)
        self.channels = card.config.channels
        self.costs = Costs.of(model, card, torch.float32)

    @classmethod
    def from_pretrained(
        cls,
        model: str | Located,
        *,
        device: str = "auto",
        max_memory: int | str | None = None,
        tile: str | int = "auto",
    ) -> Self:
        """Load weights and make them ready; arguments and errors as of `Restorer`'s."""
        memory, chosen = memory_of(max_memory), choose_device(device)
        network, card = load_model(model, chosen)
        return cls(network, card, device=chosen, max_memory=memory, tile=tile)

    def plan(self, cube: Cube) -> Plan:
        """How a cube will be restored."""
        return plan_cube(cube.shape, self.costs, self.budget, self.tile)

    def denoise(
        self,
        cube: Cube,
        result: Samples,
        *,
        white: float | None = None,
        on_tile: OnTile | None = None,
    ) -> None:
        """Denoise a cube into planes of its shape and type.

        Args:
            cube: Any size; it is looked at tile by tile.
            result: (T, H, W), perhaps a mapped file.
            white: The sample that means full scale; by default the brightest but for 1 in 1000.
            on_tile: Called with (tiles done, tiles in all); after memory ran out it begins anew.

        Raises:
            PictureError: The network's output is not usable.
            SerpentError: The budget is too small for any tile, or memory ran out with the smallest.
        """
        full = white or full_scale(cube)
        axes = axes_in(cube, full)

        def run(plan: Plan) -> None:
            tiles = self._tiles(cube, plan, axes, full)
            bands = [cube.shape[0]]
            for block in blended(tiles, plan.rows, plan.columns, 1, bands, on_tile):
                self._put(cube, result, block, full)

        with reused_memory(hand_back=True), torch.inference_mode():
            in_smaller_tiles(
                run, self.plan(cube), lambda plan: next_cube_plan(plan, cube.shape, self.costs)
            )

    def _tiles(self, cube: Cube, plan: Plan, axes: Axes, full: float) -> Iterator[Samples]:
        """Restored tiles (h, w, T) of a plan, in [0, 1]."""
        for i, _, j in in_order(plan.rows, plan.columns, 1):
            rows, columns = (slice(s.start, s.stop) for s in (plan.rows[i], plan.columns[j]))
            tile = self._tile(cube.window(rows, columns) / np.float32(full), axes)
            yield np.moveaxis(tile, 0, -1).copy()

    def _put(self, cube: Cube, result: Samples, block: Block, full: float) -> None:
        """Write finished samples, but none where the cube has no data."""
        rows, columns = block.place
        finished = np.moveaxis(block.samples, -1, 0) * np.float32(full)
        taken, made = cube.planes[:, rows, columns], result[:, rows, columns]
        for some in groups(made):
            values = finished[some]
            values[np.isnan(cube.floats(taken[some]))] = np.nan
            made[some] = cast(values, cube)
            release(cube.planes)
            release(result)

    def _tile(self, tile: Samples, axes: Axes) -> Samples:
        """Denoise (T, h, w) in [0, 1], NaN where there are no data, to (T, h, w)."""
        standard = axes.mended(axes.standard(tile))
        seen = torch.from_numpy(axes.seen(standard, self.channels))
        change = torch.zeros_like(seen)
        if axes.gain[0] > 0 and (share := trust(axes)) > 0:
            change = share * (self._restored(seen) - seen)
        return axes.samples(standard, change.numpy())

    def _restored(self, seen: Tensor) -> Tensor:
        """Axes (channels, h, w) through the network."""
        height, width = seen.shape[1:]
        padded = seen
        for axis, pad in ((1, -height % self.costs.multiple), (2, -width % self.costs.multiple)):
            if pad:  # mirrored, and again where there is too little
                index = np.pad(np.arange(padded.shape[axis]), (0, pad), mode="symmetric")
                padded = padded.index_select(axis, torch.from_numpy(index))
        made = self.model(padded[None].to(self.device))[0, :, :height, :width].float().cpu()
        if not bool(torch.isfinite(made).all()):
            raise PictureError(
                f"the model {self.card.name} gave numbers that are not finite",
                "Is the cube's full scale right? Give it with --white",
            )
        return made


def trust(axes: Axes) -> float:
    """Share of the network's change that is made, 0 to 1, by the noise of the middle band."""
    noise = float(np.median(axes.noise))
    return min(1.0, max(0.0, (noise - DOUBTED) / (TRUSTED - DOUBTED)))


def axes_in(cube: Cube, full: float) -> Axes:
    """The axes of a cube, measured on bands of rows spread over it.

    Args:
        cube: It is looked at twice, a few rows at a time.
        full: The sample that counts as 1.
    """
    bands, height, width = cube.shape
    rows = max(2, min(MEASURED_ROWS, AT_ONCE // (bands * width)))
    parts = max(1, min(height // rows, MEASURED // (bands * width * rows)))
    starts = [(height - rows) * (2 * part + 1) // (2 * parts) for part in range(parts)]

    def looked_at() -> Iterator[Samples]:
        for start in starts:
            top = max(0, start)
            yield cube.window(slice(top, top + rows), slice(None)) / np.float32(full)

    return axes_of(looked_at, bands)
