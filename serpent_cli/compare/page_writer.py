"""From pairs of files to the page, one pair in memory at a time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from serpent_cli.compare import page
from serpent_cli.compare.embed import as_uint8, data_address, on_grid, thumbnail
from serpent_cli.compare.facts import facts, remarks
from serpent_cli.compare.measure import psnr
from serpent_cli.compare.pairs import Pair
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
        psnr: Between the two, in dB, inf for the same pixels; None where their sizes differ.
        notes: In which ways the page's copies differ from the files.
    """

    pair: Pair
    view: View
    psnr: float | None
    notes: tuple[str, ...]


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
) -> list[Shown]:
    """Write one page that shows pairs of pictures before and after.

    Of several pairs, those that cannot be shown are left out; of one, its error is raised.

    Args:
        pairs: At least one.
        target: An .html file; it is written whole or not at all.
        force: Replace an existing file.
        lossless_pixels: With more pixels than this in all, copies are JPEG instead of PNG.
        max_pixels: Larger pictures are refused before they are decoded.
        callbacks: Who is told how it goes.

    Returns:
        The pairs in the page, in its order.

    Raises:
        UsageError: The target is not named as a page, or the pair has unrelated shapes.
        PictureError: The target exists or cannot be written, or no pair can be shown.
    """
    callbacks = callbacks or PairCallbacks()
    if target.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{target} does not end in .html", "name a page, such as -o report.html")
    top, bottom = page.frame(_title(pairs))
    shown: list[Shown] = []
    with new_file(target, force=force) as stream:
        stream.write(top)
        views = _views(pairs, callbacks)
        lossless = sum(2 * view.pixels for view in views.values()) <= lossless_pixels
        for pair, view in views.items():
            callbacks.begun(pair)
            try:
                blocks, entry = _prepare(pair, view, len(shown), lossless, max_pixels)
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


def _views(pairs: Sequence[Pair], callbacks: PairCallbacks) -> dict[Pair, View]:
    """Plan from the files' headers alone."""
    views: dict[Pair, View] = {}
    for pair in pairs:
        try:
            sizes = read_size(pair.before), read_size(pair.after)
            view = plan_view(*sizes)
            if view is None:
                raise unrelated(pair.before, pair.after, sizes)
            views[pair] = view
        except SerpentError as error:
            _leave_out(pair, error, pairs, callbacks)
    return views


def _leave_out(
    pair: Pair, error: SerpentError, pairs: Sequence[Pair], callbacks: PairCallbacks
) -> None:
    if len(pairs) == 1:
        raise error
    callbacks.failed(pair, error)


def _prepare(
    pair: Pair, view: View, number: int, lossless: bool, max_pixels: int
) -> tuple[list[bytes], Shown]:
    """Read a pair, and make its blocks of the page."""
    before, after = (
        read_picture(path, max_pixels=max_pixels) for path in (pair.before, pair.after)
    )
    apart = psnr(before, after) if view.enlarged is None else None
    notes = remarks(before, after, view, lossless=lossless)
    about = facts(pair, before, after, view, apart, notes)
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
