"""What a trained model for cubes must beat: methods that need no training.

Non-local means: Buades, Coll, Morel, "A non-local algorithm for image denoising", CVPR 2005, by
scikit-image. GAP-TV: see `restoration.gap_tv`.
"""

import numpy as np
from skimage.restoration import denoise_nl_means

from serpent_cli.evaluation.metrics import Array

NON_LOCAL_MEANS = "non-local means"
GAP_TV = "GAP-TV"

PATCH, DISTANCE = 5, 6  # pixels: side of a patch, how far away another one may be
STRENGTH = 0.8  # of the noise's deviation, as scikit-image advises for this mode


def non_local_means(noisy: Array, truth: Array) -> Array:
    """Denoise each band of a cube (T, H, W) by itself, told how strong its noise is.

    Args:
        noisy: What is to be denoised.
        truth: The clean cube: of its difference from `noisy` the deviation in each band is taken,
            which no user knows.
    """
    return np.stack([_band(*pair) for pair in zip(noisy, truth, strict=True)])


def _band(noisy: Array, truth: Array) -> Array:
    sigma = float((noisy - truth).std())
    if sigma == 0:
        return noisy
    return denoise_nl_means(
        noisy, PATCH, DISTANCE, STRENGTH * sigma, sigma=sigma, fast_mode=True
    )  # fmt: skip
