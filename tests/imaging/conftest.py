"""Photographs that ship inside scikit-image, and pictures of every kind made from them."""

from collections.abc import Callable

import numpy as np
import pytest
import skimage.data

from serpent_cli.imaging.picture import Picture


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    return skimage.data.astronaut()[100:260, 150:331]


@pytest.fixture(scope="session")
def camera() -> np.ndarray:
    return skimage.data.camera()[100:260, 150:331]


@pytest.fixture(scope="session")
def make_picture(astronaut: np.ndarray, camera: np.ndarray) -> Callable[..., Picture]:
    """Make a picture of a depth; low bits are filled, so that a cut to 8 bits cannot hide."""

    def make(dtype: str, *, grey: bool = False, alpha: bool = False) -> Picture:
        colour = np.repeat(camera[..., None], 3, 2) if grey else astronaut
        deep = colour.astype(np.uint16) * 256 + colour[::-1, :, :1]
        veil = camera[::-1].astype(np.uint16) * 256 + 77
        if dtype == "uint8":
            deep, veil = deep >> 8, veil >> 8
        if dtype == "float32":
            deep, veil = deep / np.float32(65535), veil / np.float32(65535)
        return Picture(deep.astype(dtype), veil.astype(dtype) if alpha else None, grey)

    return make
