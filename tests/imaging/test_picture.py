import numpy as np
import pytest

from serpent_cli.imaging.picture import MAX_VALUES, Picture


def test_sizes_and_white(make_picture):
    for dtype, white in (("uint8", 255), ("uint16", 65535), ("float32", 1.0)):
        picture = make_picture(dtype)
        assert (picture.height, picture.width) == (160, 181)
        assert MAX_VALUES[dtype] == white


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((4, 4), np.uint8), ((4, 4, 4), np.uint8), ((0, 4, 3), np.uint8), ((4, 4, 3), np.int32)],
)
def test_other_shapes_and_types_are_refused(shape, dtype):
    with pytest.raises(ValueError, match="pixels must be"):
        Picture(np.zeros(shape, dtype))


@pytest.mark.parametrize(("shape", "dtype"), [((4, 5), np.uint16), ((5, 4), np.uint8)])
def test_alpha_that_does_not_fit_is_refused(shape, dtype):
    with pytest.raises(ValueError, match="does not fit"):
        Picture(np.zeros((4, 5, 3), np.uint8), np.zeros(shape, dtype))


@pytest.mark.parametrize(
    ("grey", "alpha", "shape"),
    [(True, False, ()), (True, True, (2,)), (False, False, (3,)), (False, True, (4,))],
)
def test_channels_are_those_of_a_file(make_picture, grey, alpha, shape):
    picture = make_picture("uint16", grey=grey, alpha=alpha)
    channels = picture.channels()
    assert channels.shape == (160, 181, *shape)
    assert channels.flags.c_contiguous
    if alpha:
        np.testing.assert_array_equal(channels[..., -1], picture.alpha)
