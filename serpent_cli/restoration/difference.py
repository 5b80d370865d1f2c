"""How much a restored picture differs from what was given, and where."""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from serpent_cli.imaging.colour import bands, to_unit
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.restoration.edges import BLURRED, edge_width

HARDLY = 46.0
"""PSNR in dB of result against input from which on nobody sees a difference: an rms of 1.3/255."""

VISIBLE = 2.0
"""Levels of 255 beyond which a pixel counts as changed, by its channel that changed most."""

LEAST_SHARE = 0.001
"""Share of a picture's pixels below which they are not worth a word."""

NARROW = 16
"""How many times narrower than the usual ones the bands are that are compared."""

QUARTERS = 4  # of each side: the grid on which places have names
MOSTLY = 0.85  # of the changed pixels, that a place must hold to be named
PLACES = {
    "upper left": np.s_[:2, :2], "upper right": np.s_[:2, 2:], "lower left": np.s_[2:, :2],
    "lower right": np.s_[2:, 2:], "middle": np.s_[1:3, 1:3], "left half": np.s_[:, :2],
    "right half": np.s_[:, 2:], "upper half": np.s_[:2], "lower half": np.s_[2:],
}  # fmt: skip
"""Parts of that grid by name, small ones first."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """What restoring changed; levels are 1/255 of full scale, whatever the depth.

    Attributes:
        mean_levels: Mean absolute change of all samples.
        share: Share of the pixels that changed by more than `VISIBLE` levels, 0 to 1.
        mean_levels_there: Mean absolute change of their samples; 0 if there are none.
        where: The place that holds nearly all of these pixels; empty if they lie all over.
    """

    mean_levels: float
    share: float
    mean_levels_there: float
    where: str


@dataclasses.dataclass(frozen=True)
class RestoredPicture(Picture):
    """A picture, and what restoring changed; None where it has another size than the input.

    Attributes:
        difference: What was changed.
        hardly: The one of its warnings that says that this is hardly anything; None if it is more.
    """

    difference: Difference | None = None
    hardly: str | None = None


class DifferenceMeter:
    """Gathers the difference of two pictures of the same size and depth, in parts."""

    def __init__(self) -> None:
        self._squares, self._levels, self._levels_there = 0.0, 0.0, 0.0
        self._samples, self._pixels = 0, 0
        self._rows: list[NDArray[np.int64]] = []

    def add(self, before: Samples, after: Samples) -> None:
        """Compare the next rows: (h, w, C) each."""
        row = math.prod(before.shape[1:])
        # Narrow bands: the temporaries would be the peak of a small picture's memory.
        for band in bands(before.shape[0], NARROW * row):
            difference = to_unit(after[band]) - to_unit(before[band])
            self._squares += float(np.vdot(difference, difference))
            levels = np.abs(difference, out=difference)
            levels *= 255
            there = levels.max(axis=2) > VISIBLE * (1 + 1e-4)  # fp32 rounds
            self._levels += float(levels.sum(dtype=np.float64))
            self._levels_there += float(levels[there].sum(dtype=np.float64))
            columns = np.array_split(there, QUARTERS, axis=1)
            self._rows.append(np.stack([each.sum(axis=1) for each in columns], axis=1))
        self._samples += before.size
        self._pixels += before.shape[0] * before.shape[1]

    @property
    def likeness(self) -> float:
        """PSNR in dB; infinite if nothing differs."""
        return -10 * math.log10(self._squares / self._samples) if self._squares else math.inf

    def difference(self) -> Difference:
        """What was gathered; at least one row was."""
        rows = np.concatenate(self._rows)
        changed = int(rows.sum())
        return Difference(
            mean_levels=self._levels / self._samples,
            share=changed / self._pixels,
            mean_levels_there=self._levels_there / changed * self._pixels / self._samples
            if changed
            else 0.0,
            where=_where(rows) if changed else "",
        )

    def warning(self, strength: float = 1.0, width: float | None = None) -> str | None:
        """What to say if the result hardly differs from the input; None if it does.

        Args:
            strength: Share of the result that was blended into the input.
            width: Of the input's sharpest edges, in pixels; None if it is not known.
        """
        if self.likeness < HARDLY:
            return None
        why = _why(strength)
        found = self.difference()
        if found.share < LEAST_SHARE:
            if width is not None and width >= BLURRED:
                why = _why_blurred(strength, width)
            if math.isinf(self.likeness):
                return f"the result does not differ from the input: {why}"
            return f"hardly changed ({found.mean_levels:.1f} levels of 255 on average): {why}"
        place = f", nearly all of that in the {found.where}" if found.where else ""
        much = f"{VISIBLE:g} levels of 255, by {found.mean_levels_there:.1f} on average{place}"
        return (
            f"only {_percent(found.share)} of the picture changed by more than {much}:"
            f" for the rest, {why}"
        )


def _why(strength: float) -> str:
    if strength < 1:
        return f"either it needs no restoring, this model cannot help or {_held_back(strength)}"
    return "either it needs no restoring or this model cannot help"


def _why_blurred(strength: float, width: float) -> str:
    reason = f" or {_held_back(strength)}" if strength < 1 else ""
    return (
        f"its sharpest edges are about {width:.0f} pixels wide; if that is blur, this model cannot"
        f" help{reason}"
    )


def _held_back(strength: float) -> str:
    return f"a strength of {strength:g} is too little"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.0095 else f"{100 * share:.1f} %"


def compared(given: Samples | None, restored: Picture, strength: float = 1.0) -> RestoredPicture:
    """The restored picture with what restoring changed, and a warning if that is hardly anything.

    Args:
        given: Pixels (H, W, 3) of the input, of the same size and depth; None: there are none.
        restored: What came of it.
        strength: As for `DifferenceMeter.warning`.
    """
    kept = {entry.name: getattr(restored, entry.name) for entry in dataclasses.fields(Picture)}
    if given is None:
        return RestoredPicture(**kept)
    change = DifferenceMeter()
    change.add(given, restored.pixels)
    hardly = change.likeness >= HARDLY
    said = change.warning(strength, edge_width(given)) if hardly else None
    kept["warnings"] = (*restored.warnings, *([said] if said else ()))
    return RestoredPicture(**kept, difference=change.difference(), hardly=said)


def _where(rows: NDArray[np.int64]) -> str:
    """The smallest named place that holds most of the pixels counted in (H, 4); or nothing."""
    counts = np.stack([part.sum(axis=0) for part in np.array_split(rows, QUARTERS)])
    least = MOSTLY * counts.sum()
    return next((name for name, place in PLACES.items() if counts[place].sum() >= least), "")
