"""From pairs of files to the page, one pair in memory at a time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from serpent_cli.compare import page
from serpent_cli.compare.cube_pair import (
    CubeFigures,
    CubeReading,
    are_cubes,
    plan_cubes,
    prepare_cubes,
)
from serpent_cli.compare.embed import as_uint8, data_address, on_grid, thumbnail
from serpent_cli.compare.facts import describe, distance, facts, remarks
from serpent_cli.compare.measure import psnr
from serpent_cli.compare.pairs import Pair
from serpent_cli.compare.spectra import SAMPLES
from serpent_cli.compare.view import View, plan_view, unrelated
from serpent_cli.errors import PictureError, SerpentError, UsageError
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import DEFAULT_MAX_PIXELS, read_picture, read_size
from serpent_cli.whole_files import new_file

LOSSLESS_PIXELS = 64_000_000
"""Up to so many pixels in all its pictures a page holds exact copies: some 100 MB of PNG."""


@dataclass(frozen=True)
class Shown:
    """A pair that is in the page.

    Attributes:
        pair: The two files.
        view: How large they are shown.
        psnr: Between the two, in dB, inf for the same pixels; None where their sizes differ, and
            for cubes.
        notes: In which ways the page's copies differ from the files.
        cubes: Of two cubes, how alike they are.
    """

    pair: Pair
    view: View
    psnr: float | None
    notes: tuple[str, ...]
    cubes: CubeFigures | None = None


@dataclass(frozen=True)
class PairCallbacks:
    """Who is told how it goes; by default nobody.

    Attributes:
        begun: A pair is worked on.
        failed: A pair was left out, and why.
    """

    begun: Callable[[Pair], None] = lambda pair: None
    failed: Callable[[Pair, SerpentError], None] = lambda pair, error: None


def write_page(
    pairs: Sequence[Pair],
    target: Path,
    *,
    force: bool = False,
    lossless_pixels: int = LOSSLESS_PIXELS,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    callbacks: PairCallbacks | None = None,
    reading: CubeReading | None = None,
) -> list[Shown]:
    """Write one page that shows pairs of pictures, or of cubes, before and after.

    Of several pairs, those that cannot be shown are left out; of one, its error is raised.

    Args:
        pairs: At least one.
        target: An .html file; it is written whole or not at all.
        force: Replace an existing file.
        lossless_pixels: With more pixels than this in all, copies are JPEG instead of PNG.
        max_pixels: Larger pictures are refused before they are decoded.
        callbacks: Who is told how it goes.
        reading: How cubes are read; None: there are none, and a cube is refused.

    Returns:
        The pairs in the page, in its order.

    Raises:
        UsageError: The target is not named as a page, or the pair has unrelated shapes or kinds.
        PictureError: The target exists or cannot be written, or no pair can be shown.
    """
    callbacks = callbacks or PairCallbacks()
    if target.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{target} does not end in .html", "name a page, such as -o report.html")
    top, bottom = page.frame(_title(pairs))
    shown: list[Shown] = []
    with new_file(target, force=force) as stream:
        stream.write(top)
        plans = _plans(pairs, callbacks, reading)
        lossless = sum(2 * plan.view.pixels for plan in plans.values()) <= lossless_pixels
        cubes = sum(plan.reading is not None for plan in plans.values())
        limits = _Limits(lossless, SAMPLES // max(cubes, 1), max_pixels)
        for pair, plan in plans.items():
            callbacks.begun(pair)
            try:
                blocks, entry = _prepare(pair, plan, len(shown), limits)
            except SerpentError as error:
                _leave_out(pair, error, pairs, callbacks)
                continue
            stream.writelines(blocks)
            shown.append(entry)
        if not shown:
            raise PictureError(f"none of {len(pairs)} pairs can be shown", "see the errors above")
        stream.write(bottom)
    return shown


def _title(pairs: Sequence[Pair]) -> str:
    if len(pairs) == 1:
        return f"{pairs[0].name}: before and after"
    first = pairs[0]
    depth = len(Path(first.folder).parts)  # the trees' own folders are so far above
    return " and ".join(path.resolve().parents[depth].name for path in (first.before, first.after))


@dataclass(frozen=True)
class _Plan:
    """How a pair is shown, and if it is one of cubes, how they are read."""

    view: View
    reading: CubeReading | None = None


@dataclass(frozen=True)
class _Limits:
    """Exact copies or not, how many samples of spectra a pair has, how many pixels a picture."""

    lossless: bool
    samples: int
    max_pixels: int


def _plans(
    pairs: Sequence[Pair], callbacks: PairCallbacks, reading: CubeReading | None
) -> dict[Pair, _Plan]:
    """Plan from the files' headers alone."""
    plans: dict[Pair, _Plan] = {}
    for pair in pairs:
        try:
            plans[pair] = _plan(pair, reading)
        except SerpentError as error:
            _leave_out(pair, error, pairs, callbacks)
    return plans


def _plan(pair: Pair, reading: CubeReading | None) -> _Plan:
    if reading is not None and are_cubes(pair):
        return _Plan(plan_cubes(pair, reading), reading)
    sizes = read_size(pair.before), read_size(pair.after)
    view = plan_view(*sizes)
    if view is None:
        raise unrelated(pair.before, pair.after, sizes)
    return _Plan(view)


def _leave_out(
    pair: Pair, error: SerpentError, pairs: Sequence[Pair], callbacks: PairCallbacks
) -> None:
    if len(pairs) == 1:
        raise error
    callbacks.failed(pair, error)


def _prepare(pair: Pair, plan: _Plan, number: int, limits: _Limits) -> tuple[list[bytes], Shown]:
    """Read a pair, and make its blocks of the page."""
    view, lossless = plan.view, limits.lossless
    if plan.reading is not None:
        blocks, figures, notes = prepare_cubes(
            pair, view, number, plan.reading, lossless=lossless, samples=limits.samples,
            max_pixels=limits.max_pixels,
        )  # fmt: skip
        return blocks, Shown(pair, view, None, tuple(notes), figures)
    before, after = (
        read_picture(path, max_pixels=limits.max_pixels) for path in (pair.before, pair.after)
    )
    apart = psnr(before, after) if view.enlarged is None else None
    notes = remarks(before, after, view, lossless=lossless)
    described = describe(before, pair.before), describe(after, pair.after)
    alpha = before.alpha is not None or after.alpha is not None
    about = facts(pair, view, described, distance(apart), notes, alpha=alpha)
    before, after = as_uint8(before), as_uint8(after)
    blocks = [
        page.copy_block(kind, number, data_address(on_grid(picture, view), lossless=lossless))
        for kind, picture in (("before", before), ("after", after))
    ]
    small = before if view.enlarged == "before" else after
    if view.enlarged is not None and _smaller(small, view):
        blocks.append(page.copy_block("raw", number, data_address(small, lossless=lossless)))
    about["thumbnail"] = thumbnail(after)
    return [page.facts_block(about), *blocks], Shown(pair, view, apart, tuple(notes))


def _smaller(picture: Picture, view: View) -> bool:
    return math.prod(picture.pixels.shape[:2]) < view.pixels
