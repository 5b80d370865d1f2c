import math
from collections.abc import Callable

import numpy as np
import pytest
import skimage.data
import torch
from scipy import ndimage
from torch import Tensor

from serpent_cli.evaluation.cases import CASES, CLEAN, Case, degraded_inputs
from serpent_cli.zoo.card import Card

BLURRED = [case for suite in CASES.values() for case in suite if case.kernel("a") is not None]


def inputs(suite: str, file: str, clean: Tensor) -> dict[str, Tensor]:
    return {case.name: x for case, x in degraded_inputs(file, clean, CASES[suite])}


@pytest.fixture(scope="module")
def clean() -> Tensor:
    """A photograph (1, 3, 120, 160)."""
    return torch.from_numpy(skimage.data.coffee()[:120, :160] / 255).permute(2, 0, 1)[None].float()


def noise_of(x: Tensor, clean: Tensor, sigma: float) -> np.ndarray:
    """Input minus SciPy's blur of the photograph, in 1/255."""
    planes = clean[0].double().numpy()
    blurred = ndimage.gaussian_filter(planes, (0, sigma, sigma), mode="mirror", truncate=5)
    return (x[0].double().numpy() - blurred) * 255


@pytest.mark.parametrize("sigma", [1.0, 1.6, 2.4])
def test_blur_noise_and_rounding_are_as_scipy_makes_them(clean: Tensor, sigma: float) -> None:
    """Blur of sRGB values with reflection, noise of 1/255, 8 bits, the whole frame."""
    difference = noise_of(inputs("deblur", "a.png", clean)[f"gaussian {sigma}"], clean, sigma)
    assert float(np.std(difference)) == pytest.approx(math.hypot(1, 12**-0.5), rel=0.02)
    assert abs(float(np.mean(difference))) < 0.02
    borders = np.concatenate((difference[:, :3].ravel(), difference[..., -3:].ravel()))
    assert float(np.std(borders)) < 1.15


@pytest.mark.parametrize(
    ("suite", "case", "sigma", "noise"),
    [
        *(
            ("gaussian", f"gaussian {sigma} noise {noise}", sigma, noise)
            for sigma in (0.8, 1.2, 1.6, 2.4, 3.0)
            for noise in (0, 2, 5)
        ),
        ("gaussian-61", "gaussian-61 3.0 noise 12.75", 3.0, 12.75),
    ],
)
def test_gaussian_cases_are_what_their_names_say(
    clean: Tensor, suite: str, case: str, sigma: float, noise: float
) -> None:
    """In mid-tones, where nothing is clipped."""
    pale = clean * 0.5 + 0.25
    difference = noise_of(inputs(suite, "a.png", pale)[case], pale, sigma)
    assert float(np.std(difference)) == pytest.approx(math.hypot(noise, 12**-0.5), rel=0.03)


def test_the_later_protocol_has_a_kernel_of_61_pixels() -> None:
    (case,) = CASES["gaussian-61"]
    kernel = case.kernel("a")
    assert kernel is not None
    point = np.zeros((61, 61))
    point[30, 30] = 1
    theirs = ndimage.gaussian_filter(point, 3.0, truncate=6.0)
    np.testing.assert_allclose(kernel[0].numpy(), theirs, atol=1e-7)


def test_inputs_are_8_bits_and_clean_stays_clean(clean: Tensor) -> None:
    for suite in CASES:
        for x in inputs(suite, "a.png", clean).values():
            np.testing.assert_allclose(x * 255, torch.round(x * 255), atol=1e-4)
    assert torch.equal(inputs("deblur", "a.png", clean)[CLEAN], clean)


def test_the_file_name_decides_the_noise() -> None:
    grey = torch.full((1, 3, 32, 32), 0.5)
    for suite in CASES:
        first, again, other = (inputs(suite, name, grey) for name in ("a", "a", "b"))
        for case in CASES[suite]:
            assert torch.equal(first[case.name], again[case.name])
            assert case.noise == 0 or not torch.equal(first[case.name], other[case.name])


@pytest.mark.parametrize("case", BLURRED, ids=lambda case: case.name)
def test_strengths_of_the_blurs_are_those_of_their_names(case: Case) -> None:
    kernel = case.kernel("a.png")
    assert kernel is not None
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)
    steps = torch.arange(kernel.shape[-1]) - kernel.shape[-1] // 2
    variance = float((kernel[0] * (steps[:, None] ** 2 + steps**2)).sum())
    words = case.name.split(" over ")[-1].split()
    number = float(words[1])
    wanted = {"disk": number**2 / 2, "motion": number**2 / 12}.get(words[0], 2 * number**2)
    assert variance == pytest.approx(wanted, abs=0.45)


def test_noise_and_quality_beyond_all_training_are_those_of_their_names() -> None:
    pale = torch.full((1, 3, 64, 64), 0.5)
    noisy = inputs("beyond", "a.png", pale)["noise 25"]
    assert float(noisy.std() * 255) == pytest.approx(25, rel=0.03)
    qualities = {case.name: case.quality for case in CASES["beyond"] if case.quality}
    assert qualities == {"jpeg 10": 10, "jpeg 20": 20}


def test_strokes_of_any_angle_follow_the_file_name() -> None:
    case = Case("motion", length=9.0)
    kernels = [case.kernel(f"{index}.png") for index in range(8)]
    assert torch.equal(kernels[0], case.kernel("0.png"))  # pyright: ignore[reportArgumentType]
    flat = {tuple(kernel.flatten().tolist()) for kernel in kernels if kernel is not None}
    assert len(flat) == 8


def test_what_a_card_was_not_trained_for(trained_for: Callable[..., Card]) -> None:
    card = trained_for(sigma=[0.4, 3.0], radius=[0.5, 2.5], noise=[0.0, 5.0], quality=[70, 98])
    out = {case.name for suite in CASES.values() for case in suite if case.out_of_range(card)}
    assert out == {"gaussian-61 3.0 noise 12.75", "disk 3"} | {
        "jpeg 10", "jpeg 20", "gaussian 5", "disk 6", "noise 25",
    }  # fmt: skip
    silent = trained_for()
    assert not any(case.out_of_range(silent) for case in BLURRED)
