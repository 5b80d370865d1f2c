import io
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from serpent_cli.degrade.ranges import DegradeConfig
from serpent_cli.evaluation.cases import CASES, CLEAN, REDUCTIONS, Case, degraded_inputs
from serpent_cli.zoo.card import Card

BLURRED = [case for suite in CASES.values() for case in suite if case.kernel("a") is not None]
OF_ONE_SIZE = [case for case in BLURRED if case.trail is None]


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


@pytest.mark.parametrize("case", OF_ONE_SIZE, ids=lambda case: case.name)
def test_strengths_of_the_blurs_are_those_of_their_names(case: Case) -> None:
    kernel = case.kernel("a.png")
    assert kernel is not None
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)
    steps = torch.arange(kernel.shape[-1]) - kernel.shape[-1] // 2
    variance = float((kernel[0] * (steps[:, None] ** 2 + steps**2)).sum())
    words = case.name.removeprefix("half ").removeprefix("rim ").split(" over ")[-1].split()
    number = float(words[1])
    kind = words[0].replace("defocus", "disk")
    wanted = {"disk": number**2 / 2, "motion": number**2 / 12}.get(kind, 2 * number**2)
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
    assert out == {"gaussian-61 3.0 noise 12.75", "disk 3", "half disk 3", "rim disk 3"} | {
        "jpeg 10", "jpeg 20", "gaussian 5", "disk 6", "noise 25", "defocus 4", "defocus 6",
        "defocus 8",
    }  # fmt: skip
    silent = trained_for()
    assert not any(case.out_of_range(silent) for case in BLURRED)


@pytest.mark.parametrize("case", CASES["defocus"], ids=lambda case: case.name)
def test_defocus_spreads_light_not_srgb_values(clean: Tensor, case: Case) -> None:
    """By scikit-image's curve of sRGB and SciPy's convolution of a disk."""
    x = inputs("defocus", "a.png", clean)[case.name]
    kernel = case.kernel("a.png")
    assert kernel is not None
    srgb = clean[0].double().numpy()
    light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    spread = ndimage.convolve(light, kernel.double().numpy(), mode="mirror")
    back = np.where(spread <= 0.0031308, 12.92 * spread, 1.055 * spread ** (1 / 2.4) - 0.055)
    difference = (x[0].double().numpy() - back) * 255
    assert float(np.std(difference)) == pytest.approx(math.hypot(1, 12**-0.5), rel=0.03)
    assert abs(float(np.mean(difference))) < 0.05


def test_trails_are_as_long_as_their_names_and_follow_the_file_name() -> None:
    """No two of them alike; those of one photograph have one shape, at three sizes."""
    reaches = {case.name: [] for case in CASES["shake"]}
    for index in range(40):
        for case in CASES["shake"]:
            kernel = case.kernel(f"{index}.png")
            assert kernel is not None and case.trail is not None and case.linear
            assert torch.equal(kernel, case.kernel(f"{index}.png"))  # pyright: ignore
            assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)
            lit = (kernel[0] > 1e-5).nonzero()
            reach = float((lit.amax(0) - lit.amin(0)).float().norm())
            # Four pixels share each point, so that a trail is up to two pixels longer each way.
            assert reach <= case.trail + 3
            reaches[case.name].append(reach)
    for case in CASES["shake"]:
        assert case.trail is not None
        assert max(reaches[case.name]) > 0.9 * case.trail, "some are nearly straight"
        assert min(reaches[case.name]) < 0.75 * case.trail, "some are curled"
        assert len(set(reaches[case.name])) > 5


def test_only_a_part_is_blurred(clean: Tensor) -> None:
    """Inside as if all were blurred, to the last bit and the noise; outside not touched at all."""
    clean = (clean * 255).round() / 255
    given = inputs("partial", "a.png", clean)
    columns, rows = torch.arange(160), torch.arange(120)
    half = (columns < 80).expand(120, 160)
    middle = ((rows >= 36) & (rows < 84))[:, None] & ((columns >= 48) & (columns < 112))
    assert float(middle.float().mean()) == pytest.approx(0.16)
    for even in ("gaussian 1.6", "gaussian 2.4", "disk 3"):
        for part, mask in (("half", half), ("rim", ~middle)):
            x = given[f"{part} {even}"]
            assert torch.equal(x[..., mask], given[even][..., mask])
            assert torch.equal(x[..., ~mask], clean[..., ~mask])
            assert float((x - clean)[..., mask].abs().mean()) > 0.005


def test_reductions_are_pillows(clean: Tensor) -> None:
    """Away from the border, which Pillow treats in its own way; within rounding to 8 bits."""
    pixels = (clean[0].permute(1, 2, 0) * 255).round().byte().numpy()
    made = {
        case.name: x for case, x in degraded_inputs("a.png", clean, REDUCTIONS["upscale-real"], 4)
    }
    for name, filter in (("bicubic", "BICUBIC"), ("box", "BOX")):
        theirs = Image.fromarray(pixels).resize((40, 30), Image.Resampling[filter])
        ours = made[name][0].permute(1, 2, 0).numpy() * 255
        assert np.abs(ours - np.asarray(theirs))[2:-2, 2:-2].max() <= 1.01
    # Not antialiased, a pixel between four is their mean, and nothing else of the picture is seen.
    careless = clean.reshape(1, 3, 30, 4, 40, 4)[..., 1:3, :, 1:3].mean((3, 5))
    assert float((made["bilinear aliased"] - careless).abs().max()) <= 0.51 / 255


def test_flaws_of_small_pictures_are_those_of_their_names(clean: Tensor) -> None:
    pale = clean * 0.5 + 0.25
    made = {
        case.name: (x[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        for case, x in degraded_inputs("a.png", pale, REDUCTIONS["upscale-real"], 2)
    }
    sharp = made["bicubic"].astype(float)
    for level in (5, 10):
        assert np.std(made[f"noise {level}"] - sharp) == pytest.approx(level, rel=0.05)
    for quality in (95, 90, 75, 50):
        file = io.BytesIO()
        Image.fromarray(made["bicubic"]).save(file, "jpeg", quality=quality, subsampling="4:2:0")
        theirs = np.asarray(Image.open(file)).astype(float)
        assert np.abs(made[f"jpeg {quality}"] - theirs).mean() < 0.3 * np.abs(theirs - sharp).mean()


def trained(card: Card, suites: dict[str, tuple[Case, ...]], record: dict[str, Any]) -> set[str]:
    """Names of the cases that such a record leaves out of range."""
    card = replace(card, trained={"degradation": record})
    return {case.name for suite in suites.values() for case in suite if case.out_of_range(card)}


def test_a_mixture_is_as_wide_as_its_widest_way(trained_for: Callable[..., Card]) -> None:
    def outside(*ways: dict[str, Any]) -> set[str]:
        config = DegradeConfig.from_dict({"task": "deblur", "mixture": list(ways)})
        return trained(trained_for(), CASES, asdict(config))

    slight: dict[str, Any] = {"kinds": {"gaussian": 1}, "sigma": (0.3, 2.0), "noise": (0.0, 5.0)}
    wide: dict[str, Any] = {
        "kinds": {"disk": 1, "lens": 1, "shake": 1}, "sigma": (0.3, 5.0), "radius": (0.5, 9.0),
        "length": (3.0, 45.0), "noise": (0.0, 25.0), "quality": (20.0, 98.0),
    }  # fmt: skip
    wide_gaussians = {"gaussian 2.4", "gaussian 5", "half gaussian 2.4", "rim gaussian 2.4"}
    both = outside(slight, wide)
    assert not both & {case.name for suite in ("shake", "defocus") for case in CASES[suite]}
    assert {"jpeg 10", "motion 9", "motion 25 any angle"} <= both
    assert wide_gaussians <= both, "the wide way draws no Gaussian, whatever its sigma"
    assert not both & {"disk 6", "noise 25", "jpeg 20", "gaussian 1.6", "half disk 3", "clean"}
    alone = outside(slight)
    assert {"shake 10", "defocus 2", "disk 2", "noise 25", "rim disk 3"} <= alone
    assert "gaussian 1.6" not in alone
    sharp: dict[str, Any] = {
        "clean_share": 1.0,
        "clean_untouched": 0.0,
        "sigma": (0.3, 7.0),
        "noise": (0.0, 30.0),
    }
    more = outside(slight, sharp)
    assert "noise 25" not in more and "gaussian 5" in more, "a way that never blurs has only noise"


def test_older_cards_know_neither_shake_nor_dirty_small_pictures(
    trained_for: Callable[..., Card],
) -> None:
    old: dict[str, Any] = {
        "task": "deblur", "scale": 1, "kinds": [0.5, 0.1, 0.2, 0.2], "sigma": [0.4, 3.0],
        "radius": [0.5, 3.5], "length": [3.0, 12.0], "noise": [0.0, 13.0], "jpeg_share": 0.2,
        "quality": [30.0, 98.0],
    }  # fmt: skip
    assert trained(trained_for(), CASES, old) == {
        "jpeg 10", "jpeg 20", "gaussian 5", "disk 6", "noise 25", "motion 25 any angle",
        "defocus 4", "defocus 6", "defocus 8", "shake 10", "shake 20", "shake 35",
    }  # fmt: skip
    every = {case.name for case in REDUCTIONS["upscale-real"]}
    out = trained(trained_for(4), REDUCTIONS, old | {"task": "upscale", "scale": 4})
    assert out == every - {"bicubic"}
    chain: dict[str, Any] = {
        "filters": {"box": 1, "bilinear": 1},
        "noise": (0.0, 7.0),
        "quality": (60.0, 98.0),
    }
    ways: list[dict[str, Any]] = [{"clean_share": 1.0, "clean_untouched": 1.0}, chain]
    mixed = DegradeConfig.from_dict({"task": "upscale", "scale": 4, "mixture": ways})
    out = trained(trained_for(4), REDUCTIONS, asdict(mixed))
    assert out == {"bilinear aliased", "noise 10", "jpeg 50"}
    ways[1] = chain | {"aliased_share": 0.1}
    mixed = DegradeConfig.from_dict({"task": "upscale", "scale": 4, "mixture": ways})
    assert "bilinear aliased" not in trained(trained_for(4), REDUCTIONS, asdict(mixed))
