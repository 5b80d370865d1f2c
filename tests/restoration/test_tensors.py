import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from serpent_cli.restoration.tensors import (
    host_tensor,
    pad_to_multiple,
    to_input,
    to_output,
    to_samples,
)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 8, 16]))
def test_padding_is_numpys_reflection(height: int, width: int, multiple: int) -> None:
    x = torch.arange(2 * height * width, dtype=torch.float32).view(1, 2, height, width)
    down, right = -height % multiple, -width % multiple
    expected = np.pad(x.numpy(), ((0, 0), (0, 0), (0, down), (0, right)), mode="reflect")
    np.testing.assert_array_equal(pad_to_multiple(x, multiple).numpy(), expected)


@pytest.mark.parametrize(("dtype", "most"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_samples_become_channels_in_unit_range(dtype: type, most: float) -> None:
    samples = np.zeros((4, 5, 3), dtype)
    samples[1, 2] = (most, 0, most / 2)
    tensor = to_input(host_tensor(samples))
    assert tensor.shape == (1, 3, 4, 5)
    assert tensor.dtype == torch.float32
    np.testing.assert_allclose(
        tensor[0, :, 1, 2], [1, 0, int(most / 2) / most if most > 1 else 0.5]
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_samples_come_back_as_they_were(dtype: type) -> None:
    most = 1 if dtype == np.float32 else np.iinfo(dtype).max
    samples = (np.random.default_rng(0).random((7, 5, 3)) * most).astype(dtype)
    output = to_output(to_input(host_tensor(samples)), samples.dtype)
    back = to_samples(output, samples.dtype)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, samples)


def test_samples_are_rounded_to_the_nearest() -> None:
    levels = np.array([0, 0.499, 0.501, 254.499, 254.501, 255], np.float32) / 255
    output = to_output(torch.from_numpy(levels).view(1, 1, 1, 6), np.dtype(np.uint8))
    np.testing.assert_array_equal(output.numpy().ravel(), [0, 0, 1, 254, 255, 255])


def test_a_plane_becomes_three_equal_channels() -> None:
    plane = np.arange(20, dtype=np.uint8).reshape(4, 5)
    tensor = to_input(host_tensor(plane))
    assert tensor.shape == (1, 3, 4, 5)
    for channel in tensor[0]:
        np.testing.assert_allclose(channel * 255, plane, atol=1e-4)
