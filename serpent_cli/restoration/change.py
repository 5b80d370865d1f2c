"""How much a restored picture differs from what was given."""

import math

import numpy as np

from serpent_cli.imaging.colour import bands, to_unit
from serpent_cli.imaging.picture import Samples

HARDLY = 46.0
"""PSNR in dB of result against input from which on nobody sees a difference: an rms of 1.3/255."""

NARROW = 16
"""How many times narrower than the usual ones the bands are that are compared."""


class Change:
    """Gathers the difference of two pictures of the same size and depth, in parts."""

    def __init__(self) -> None:
        self._total, self._samples = 0.0, 0

    def add(self, before: Samples, after: Samples) -> None:
        """Compare a part: (h, w, ...) each."""
        row = math.prod(before.shape[1:])
        # Narrow bands: the three temporaries would be the peak of a small picture's memory.
        for band in bands(before.shape[0], NARROW * row):
            difference = to_unit(after[band]) - to_unit(before[band])
            self._total += float(np.vdot(difference, difference))
        self._samples += before.size

    @property
    def likeness(self) -> float:
        """PSNR in dB; infinite if nothing differs."""
        return -10 * math.log10(self._total / self._samples) if self._total else math.inf

    @property
    def warning(self) -> str | None:
        """What to say if the result hardly differs from the input; None if it does."""
        if self.likeness < HARDLY:
            return None
        infinite = math.isinf(self.likeness)
        much = "does not differ" if infinite else f"hardly differs ({self.likeness:.0f} dB)"
        return (
            f"the result {much} from the input: the picture was already sharp, or its fault is one"
            " that this model was not trained to remove"
        )


def warning(before: Samples, after: Samples) -> str | None:
    """What to say if a result hardly differs from its input; None if it does."""
    change = Change()
    change.add(before, after)
    return change.warning
