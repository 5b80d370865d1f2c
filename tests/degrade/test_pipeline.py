import math
from typing import Any

import pytest
import torch
from torch import Tensor

from serpent_cli.degrade.pipeline import DegradeConfig, degrade, random_kernels
from serpent_cli.degrade.resize import bicubic_reduce
from serpent_cli.errors import UsageError


def crops(photos: Tensor, count: int, side: int = 48) -> Tensor:
    places = [(i % 2, 7 * i % 200, 11 * i % 300) for i in range(count)]
    cut = [photos[p, :, y : y + side, x : x + side] for p, y, x in places]
    return (torch.stack(cut) * 255).round() / 255


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_generator_decides_everything(photos: Tensor) -> None:
    clean = crops(photos, 12)
    config = DegradeConfig()
    first = degrade(clean, config, seeded(1))
    assert torch.equal(first, degrade(clean, config, seeded(1)))
    assert not torch.equal(first, degrade(clean, config, seeded(2)))
    torch.manual_seed(99)  # the global generator has no say
    assert torch.equal(first, degrade(clean, config, seeded(1)))


def test_a_field_of_its_own_changes_the_noise_alone(photos: Tensor) -> None:
    clean, quiet = crops(photos, 12), DegradeConfig(noise=(0.0, 0.0))
    first, other = (degrade(clean, DegradeConfig(), seeded(1), seeded(n)) for n in (5, 6))
    assert not torch.equal(first, other)
    # What happens to each crop is drawn elsewhere: without noise both are the same.
    assert torch.equal(
        degrade(clean, quiet, seeded(1), seeded(5)), degrade(clean, quiet, seeded(1), seeded(6))
    )


def test_sharp_crops_are_not_changed_in_place(photos: Tensor) -> None:
    clean = crops(photos, 8)
    before = clean.clone()
    degrade(clean, DegradeConfig(), seeded(1))
    assert torch.equal(clean, before)


def test_a_tenth_stays_clean(photos: Tensor) -> None:
    """Measured with noise and JPEG off, so that only blur tells crops apart."""
    clean = crops(photos, 400, side=32)
    config = DegradeConfig(noise_free_share=1.0, jpeg_share=0.0)
    same = (degrade(clean, config, seeded(3)) == clean).flatten(1).all(1)
    share = float(same.float().mean())
    deviation = math.sqrt(0.12 * 0.88 / 400)
    assert DegradeConfig().clean_share >= 0.1
    assert abs(share - DegradeConfig().clean_share) < 3 * deviation


def test_most_clean_crops_are_wholly_untouched(photos: Tensor) -> None:
    clean = crops(photos, 300, side=32)
    config = DegradeConfig(clean_share=1.0, noise_free_share=0.0)
    same = (degrade(clean, config, seeded(4)) == clean).flatten(1).all(1)
    assert 0.6 < float(same.float().mean()) < 0.8


def test_degraded_crops_are_eight_bit_and_of_one_size(photos: Tensor) -> None:
    degraded = degrade(crops(photos, 32), DegradeConfig(), seeded(5))
    assert degraded.dtype == torch.float32 and tuple(degraded.shape) == (32, 3, 48, 48)
    assert float(degraded.min()) >= 0 and float(degraded.max()) <= 1
    torch.testing.assert_close(degraded * 255, (degraded * 255).round(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_noise_covers_its_range(power: float) -> None:
    """A uniform variable to the power p has the mean 1 / (p + 1)."""
    flat = torch.full((800, 3, 24, 24), 100 / 255)
    config = DegradeConfig(noise=(1.0, 5.0), noise_power=power, jpeg_share=0, clean_share=0)
    std = degrade(flat, config, seeded(6)).flatten(1).std(1) * 255
    free = std == 0
    assert float(free.float().mean()) == pytest.approx(config.noise_free_share, abs=0.06)
    exact = (std[~free] ** 2 - 1 / 12).sqrt()  # without the variance of rounding
    assert 0.9 < float(exact.min()) < 1.1 and 4.7 < float(exact.max()) < 5.3
    assert float(exact.mean()) == pytest.approx(1 + 4 / (power + 1), abs=0.2)


def test_compression_happens_as_often_as_asked(photos: Tensor) -> None:
    clean = crops(photos, 300, side=32)
    never = DegradeConfig(clean_share=0.0, noise_free_share=1.0, jpeg_share=0.0)
    some = DegradeConfig(clean_share=0.0, noise_free_share=1.0, jpeg_share=0.3)
    plain, compressed = degrade(clean, never, seeded(8)), degrade(clean, some, seeded(8))
    changed = (plain != compressed).flatten(1).any(1)
    assert 0.22 < float(changed.float().mean()) < 0.38


def test_kernels_of_every_kind_within_their_ranges() -> None:
    shapes: dict[str, Tensor] = {}
    for index, kind in enumerate(("round", "oval", "disk", "motion")):
        config = DegradeConfig.from_dict({"kinds": [float(i == index) for i in range(4)]})
        shapes[kind] = random_kernels(200, config, seeded(9))
    for kernels in shapes.values():
        assert tuple(kernels.shape) == (200, 25, 25)
        torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(200))
    steps = torch.arange(25.0) - 12
    spread = {k: ((v.sum(1) * steps**2).sum(1)).sqrt() for k, v in shapes.items()}
    assert 0.1 < float(spread["round"].min()) < 0.6 and 2.8 < float(spread["round"].max()) < 3.01
    assert float(spread["disk"].max()) < 3.5 / 2 + 0.1
    symmetric = {k: (v - v.transpose(1, 2)).abs().amax((1, 2)) for k, v in shapes.items()}
    assert float(symmetric["round"].max()) < 1e-6 and float(symmetric["disk"].max()) < 1e-6
    assert float(symmetric["oval"].median()) > 1e-3 and float(symmetric["motion"].median()) > 1e-2


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_upscale_training_reduces_and_rounds(photos: Tensor, scale: int) -> None:
    clean = crops(photos, 4)
    config = DegradeConfig.from_dict({"task": "upscale", "scale": scale})
    small = degrade(clean, config, seeded(1))
    assert tuple(small.shape) == (4, 3, 48 // scale, 48 // scale)
    exact = bicubic_reduce(clean, scale).clamp(0, 1)
    assert 0 < float((small - exact).abs().max()) <= 0.5001 / 255


def test_a_recipe_s_table_is_read() -> None:
    config = DegradeConfig.from_dict({"sigma": [0.5, 2], "clean_share": 0.2, "jpeg_share": 1})
    assert config.sigma == (0.5, 2) and config.clean_share == 0.2 and config.jpeg_share == 1
    assert config.radius == DegradeConfig().radius
    DegradeConfig().check()


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"sigmas": [1, 2]}, "unknown entries in \\[degrade\\]: sigmas"),
        ({"task": "upscale"}, "upscale at scale 2, 4 or 8"),
        ({"task": "deblur", "scale": 2}, "deblur at scale 1"),
        ({"task": 3}, "task must be like 'deblur'"),
        ({"clean_share": 1.2}, "clean_share must lie between 0 and 1"),
        ({"clean_share": "much"}, "clean_share must be like 0.12"),
        ({"sigma": 2.0}, "sigma must be a list like"),
        ({"sigma": [1.0, 2.0, 3.0]}, "sigma must be a list like"),
        ({"sigma": [2.0, 1.0]}, "sigma must be two rising numbers from 0.1 to 3"),
        ({"sigma": [0.4, 5.0]}, "sigma must be two rising numbers from 0.1 to 3"),
        ({"length": [3, 40]}, "length must be two rising numbers"),
        ({"quality": [0, 90]}, "quality must be two rising numbers from 1 to 100"),
        ({"noise_power": 0}, "noise_power must be positive"),
        ({"kinds": [0, 0, 0, 0]}, "not all be 0"),
        ({"kinds": [1, 0, 0, True]}, "kinds must be a list like"),
    ],
)
def test_nonsense_is_refused(record: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        DegradeConfig.from_dict(record)
