import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serpent_cli.errors import SerpentError, UsageError
from serpent_cli.restoration.memory_budget import parse_memory
from serpent_cli.restoration.plan import (
    DEVICE_LADDER,
    LADDER,
    SPARED,
    Costs,
    make_plan,
    next_plan,
    overlap_for,
)

COSTS = Costs(scale=1, multiple=16, margin=20, bytes_per_pixel=800.0, weight_bytes=5 * 2**20)
PLENTY = 2**36


def test_small_pictures_are_restored_whole() -> None:
    plan = make_plan(300, 400, COSTS, PLENTY)
    assert (plan.tile, plan.tiles) == (None, 1)
    rows, columns = plan.rows, plan.columns
    assert [(s.start, s.stop) for s in (*rows, *columns)] == [(0, 300), (0, 400)]


def test_large_pictures_are_tiled_although_they_would_fit() -> None:
    side = LADDER[0] + 1
    plan = make_plan(side, side, COSTS, PLENTY)
    assert plan.tile in LADDER
    assert plan.tiles > 1
    assert plan.rows[0].stop - plan.rows[1].start >= 2 * COSTS.margin


@pytest.mark.parametrize("size", [(4096, 4096), (3000, 4000), (1600, 9000)])
def test_tiles_compute_little_twice_and_are_no_larger_than_that_takes(
    size: tuple[int, int],
) -> None:
    plan = make_plan(*size, COSTS, PLENTY)
    rows, columns = plan.rows, plan.columns
    computed = sum(-(-r.length // 16) * -(-c.length // 16) * 256 for r in rows for c in columns)
    assert plan.pixels == computed <= 1.2 * size[0] * size[1]
    rungs = [make_plan(*size, COSTS, PLENTY, side) for side in LADDER]
    least = min(rung.pixels for rung in rungs)
    assert plan.pixels <= (1 + SPARED) * least
    assert all(rung.pixels > (1 + SPARED) * least for rung in rungs if rung.tile < plan.tile)


def test_a_demanded_tile_that_exceeds_the_budget_is_refused() -> None:
    with pytest.raises(UsageError, match="with --tile whole needs") as caught:
        make_plan(3000, 4000, COSTS, 2**30, "whole")
    named = parse_memory(str(caught.value.hint).split()[-1])
    assert make_plan(3000, 4000, COSTS, named, "whole").tiles == 1
    assert make_plan(3000, 4000, COSTS, None, "whole").peak_bytes > 2**30


@given(
    st.integers(1, 6000), st.integers(1, 6000), st.floats(0.7, 8.0), st.sampled_from([1, 2, 4, 8])
)
def test_plans_repeat_and_keep_the_budget(
    height: int, width: int, gibibytes: float, scale: int
) -> None:
    costs, budget = dataclasses.replace(COSTS, scale=scale), int(gibibytes * 2**30)
    try:
        plan = make_plan(height, width, costs, budget)
    except SerpentError as error:
        named = parse_memory(str(error.hint).split()[2])
        assert named > budget
        assert make_plan(height, width, costs, named).peak_bytes <= named, "the hint must be enough"
        return
    assert plan == make_plan(height, width, costs, budget)
    assert plan.peak_bytes <= budget
    rows, columns = plan.rows, plan.columns
    assert len(rows) * len(columns) == plan.tiles
    assert (rows[-1].stop, columns[-1].stop) == (height, width)


def test_less_memory_never_means_larger_tiles() -> None:
    budgets = [PLENTY, 2**30, 800 * 2**20, 700 * 2**20]
    tiles = [make_plan(3000, 4000, COSTS, budget).tile or 0 for budget in budgets]
    assert tiles == sorted(tiles, reverse=True)
    assert tiles[0] > tiles[-1]


def test_a_budget_too_small_names_one_that_is_enough() -> None:
    with pytest.raises(SerpentError, match=r"needs at least \d\.\dG of memory") as caught:
        make_plan(3000, 4000, COSTS, 400 * 2**20)
    assert "--max-memory" in str(caught.value.hint)


def test_demanded_tiles() -> None:
    assert make_plan(500, 500, COSTS, PLENTY, 130).tile == 128, "on the grid"
    assert make_plan(5000, 5000, COSTS, PLENTY, "whole").tile is None
    with pytest.raises(UsageError, match="at least 64 pixels"):
        make_plan(500, 500, COSTS, PLENTY, 63)


def test_overlap_is_twice_the_margin_but_at_most_half_a_tile() -> None:
    assert overlap_for(COSTS, 512) == 48
    assert overlap_for(COSTS, 64) == 32


def test_smaller_tiles_step_down_to_the_end() -> None:
    plan, sides = make_plan(900, 900, COSTS, PLENTY, "whole"), list[int]()
    while (plan := next_plan(plan, COSTS, apart=False)) is not None:
        assert plan.tile is not None
        sides.append(plan.tile)
    assert sides == [384, 192]
    assert all(side in LADDER for side in sides)


@pytest.mark.parametrize("patch_size", range(1, 17))
def test_every_patch_size_has_tiles(patch_size: int) -> None:
    costs = dataclasses.replace(COSTS, multiple=8 * patch_size)
    plan = make_plan(3000, 4000, costs, PLENTY)
    assert plan.tile is not None
    assert plan.tile % costs.multiple == 0
    with pytest.raises(SerpentError, match="needs at least"):
        make_plan(3000, 4000, costs, 2**20)
    while (smaller := next_plan(plan, costs, apart=False)) is not None:
        plan = smaller
    assert plan.tile is not None
    assert plan.tile < 8 * costs.multiple or plan.tile < 2 * LADDER[-1]


def test_a_device_takes_larger_pieces_in_its_own_memory() -> None:
    shared = make_plan(4000, 4000, COSTS, PLENTY)
    apart = make_plan(4000, 4000, COSTS, PLENTY, vram=PLENTY)
    assert (shared.device_bytes, apart.tiles) == (0, 1)
    assert shared.tiles > 1
    assert apart.device_bytes > 4000 * 4000 * COSTS.bytes_per_pixel
    assert apart.peak_bytes < apart.device_bytes
    side = DEVICE_LADDER[0] + 1
    assert make_plan(side, side, COSTS, PLENTY, vram=PLENTY).tiles > 1


def test_less_memory_of_a_device_means_smaller_tiles() -> None:
    plans = [make_plan(4000, 4000, COSTS, PLENTY, vram=n * 2**30) for n in (32, 8, 2, 1)]
    tiles = [plan.tile or 4000 for plan in plans]
    assert tiles == sorted(tiles, reverse=True)
    assert tiles[0] > tiles[-1]
    for plan, gibibytes in zip(plans, (32, 8, 2, 1), strict=True):
        assert plan.device_bytes <= gibibytes * 2**30


@pytest.mark.parametrize("tile", ["auto", "whole"])
def test_a_device_too_small_names_memory_that_is_enough(tile: str) -> None:
    with pytest.raises(SerpentError, match="of the device's memory") as caught:
        make_plan(3000, 4000, COSTS, PLENTY, tile, vram=2**20)
    words = str(caught.value.hint).split()
    named = parse_memory(words[words.index("--max-vram") + 1])
    assert make_plan(3000, 4000, COSTS, PLENTY, tile, vram=named).device_bytes <= named
