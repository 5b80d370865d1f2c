"""How much a restored picture differs from what was given."""

import math

import numpy as np

from serpent_cli.imaging.colour import bands, to_unit
from serpent_cli.imaging.picture import Samples

HARDLY = 46.0
"""PSNR in dB of result against input from which on nobody sees a difference: an rms of 1.3/255."""

NARROW = 16
"""How many times narrower than the usual ones the bands are that are compared."""


def likeness(before: Samples, after: Samples) -> float:
    """PSNR of two pictures of the same size and depth, in dB; infinite if they are equal."""
    total, row = 0.0, math.prod(before.shape[1:])
    # Narrow bands: the three temporaries would be the peak of a small picture's memory.
    for band in bands(before.shape[0], NARROW * row):
        difference = to_unit(after[band]) - to_unit(before[band])
        total += float(np.vdot(difference, difference))
    return -10 * math.log10(total / before.size) if total else math.inf


def warning(before: Samples, after: Samples) -> str | None:
    """What to say if the result hardly differs from the input; None if it does."""
    psnr = likeness(before, after)
    if psnr < HARDLY:
        return None
    much = "does not differ" if math.isinf(psnr) else f"hardly differs ({psnr:.0f} dB)"
    return f"the result {much} from the input: it was sharp, or its flaw is not one of the model's"
