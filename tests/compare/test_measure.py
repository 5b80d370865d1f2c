import math

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio

from serpent_cli.compare.measure import psnr
from serpent_cli.imaging.picture import Picture

Pixels = NDArray[np.uint8]


def test_as_scikit_image_has_it(sharp: Pixels, blurred: Pixels) -> None:
    expected = peak_signal_noise_ratio(sharp, blurred)
    assert psnr(Picture(sharp), Picture(blurred)) == pytest.approx(expected, abs=1e-5)
    deep = blurred.astype(np.uint16) * np.uint16(257)
    assert psnr(Picture(sharp), Picture(deep)) == pytest.approx(expected, abs=1e-5)


def test_a_difference_of_one_level_in_sixteen_bits_counts(sharp: Pixels) -> None:
    deep = sharp.astype(np.uint16) * np.uint16(256)
    assert psnr(Picture(deep), Picture(deep + np.uint16(1))) == pytest.approx(
        20 * math.log10(65535), abs=1e-2
    )


def test_the_same_pixels_are_infinitely_close(sharp: Pixels) -> None:
    assert psnr(Picture(sharp), Picture(sharp.copy())) == math.inf


def test_what_lies_under_transparency_does_not_count(sharp: Pixels, blurred: Pixels) -> None:
    nothing = np.zeros(sharp.shape[:2], np.uint8)
    assert psnr(Picture(sharp, nothing), Picture(blurred, nothing)) == math.inf
    assert psnr(Picture(sharp, nothing), Picture(sharp)) < 20


def test_other_sizes_have_no_figure(sharp: Pixels) -> None:
    with pytest.raises(ValueError, match="compare"):
        psnr(Picture(sharp), Picture(sharp[1:]))
