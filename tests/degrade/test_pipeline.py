import math
from typing import Any

import pytest
import torch
from torch import Tensor

from serpent_cli.degrade.blur import disk_blur, gaussian_blur
from serpent_cli.degrade.light import to_linear, to_srgb
from serpent_cli.degrade.pipeline import KINDS, Layers, degrade, random_kernels
from serpent_cli.degrade.ranges import Degradation, DegradeConfig, Kinds
from serpent_cli.degrade.resize import bicubic_reduce
from serpent_cli.degrade.varying import blend
from serpent_cli.errors import UsageError


def crops(photos: Tensor, count: int, side: int = 48) -> Tensor:
    places = [(i % 2, 7 * i % 200, 11 * i % 300) for i in range(count)]
    cut = [photos[p, :, y : y + side, x : x + side] for p, y, x in places]
    return (torch.stack(cut) * 255).round() / 255


def way(**changes: Any) -> DegradeConfig:
    """One way in which pictures come to harm, alone."""
    return DegradeConfig(mixture=(Degradation(**changes),))


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
    clean, quiet = crops(photos, 12), way(noise=(0.0, 0.0))
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
    config = way(noise_free_share=1.0, jpeg_share=0.0)
    same = (degrade(clean, config, seeded(3)) == clean).flatten(1).all(1)
    share = float(same.float().mean())
    deviation = math.sqrt(0.12 * 0.88 / 400)
    assert Degradation().clean_share >= 0.1
    assert abs(share - Degradation().clean_share) < 3 * deviation


def test_most_clean_crops_are_wholly_untouched(photos: Tensor) -> None:
    clean = crops(photos, 300, side=32)
    config = way(clean_share=1.0, noise_free_share=0.0)
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
    config = way(noise=(1.0, 5.0), noise_power=power, jpeg_share=0, clean_share=0)
    std = degrade(flat, config, seeded(6)).flatten(1).std(1) * 255
    free = std == 0
    assert float(free.float().mean()) == pytest.approx(config.mixture[0].noise_free_share, abs=0.06)
    exact = (std[~free] ** 2 - 1 / 12).sqrt()  # without the variance of rounding
    assert 0.9 < float(exact.min()) < 1.1 and 4.7 < float(exact.max()) < 5.3
    assert float(exact.mean()) == pytest.approx(1 + 4 / (power + 1), abs=0.2)


def test_compression_happens_as_often_as_asked(photos: Tensor) -> None:
    clean = crops(photos, 300, side=32)
    never = way(clean_share=0.0, noise_free_share=1.0, jpeg_share=0.0)
    some = way(clean_share=0.0, noise_free_share=1.0, jpeg_share=0.3)
    plain, compressed = degrade(clean, never, seeded(8)), degrade(clean, some, seeded(8))
    changed = (plain != compressed).flatten(1).any(1)
    assert 0.22 < float(changed.float().mean()) < 0.38


def kernels_of(kind: str, **changes: Any) -> Tensor:
    ranges = Degradation(kinds=Kinds(**{kind: 1.0}), **changes)
    return random_kernels(torch.full((200,), KINDS.index(kind)), ranges, seeded(9))


def test_kernels_of_every_kind_within_their_ranges() -> None:
    shapes = {kind: kernels_of(kind) for kind in KINDS if kind not in ("sharp", "turn")}
    for kernels in shapes.values():
        assert len(kernels) == 200 and float(kernels.min()) >= 0
        torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(200))
    spread: dict[str, Tensor] = {}
    for kind, kernels in shapes.items():
        steps = torch.arange(kernels.shape[-1]) - kernels.shape[-1] // 2
        spread[kind] = ((kernels.sum(1) * steps**2).sum(1)).sqrt()
    assert 0.1 < float(spread["gaussian"].min()) < 0.6
    assert 2.8 < float(spread["gaussian"].max()) < 3.01
    assert float(spread["disk"].max()) < 3.5 / 2 + 0.1
    symmetric = {k: (v - v.transpose(1, 2)).abs().amax((1, 2)) for k, v in shapes.items()}
    assert float(symmetric["gaussian"].max()) < 1e-6 and float(symmetric["disk"].max()) < 1e-6
    for kind, least in (("oval", 1e-3), ("motion", 1e-2), ("shake", 1e-2), ("lens", 1e-3)):
        assert float(symmetric[kind].median()) > least


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("sharp", "turn")])
def test_a_kernel_holds_all_of_the_largest_blur(kind: str) -> None:
    """What its range asks for at most reaches the border of the kernel in traces alone."""
    largest = {"sigma": (3.0, 3.0), "radius": (3.5, 3.5), "length": (20.0, 20.0)}
    kernels = kernels_of(kind, **largest)
    assert kernels.shape[-1] % 2 == 1 and kernels.shape[-1] <= 61
    rim = kernels.clone()
    rim[:, 1:-1, 1:-1] = 0
    assert float(rim.sum((1, 2)).max()) < 5e-3


def test_defocus_with_shake_is_wider_than_shake(photos: Tensor) -> None:
    del photos
    shake, both = (kernels_of(kind, radius=(6.0, 6.0)) for kind in ("shake", "lens_shake"))
    assert float((both > 1e-4).sum((1, 2)).float().mean()) > 1.2 * float(
        (shake > 1e-4).sum((1, 2)).float().mean()
    )


def test_two_blurs_lie_side_by_side(photos: Tensor) -> None:
    """Sharp in one part, blurred in the other: most crops are both in places."""
    clean = crops(photos, 60)
    halves = way(
        clean_share=0.0, kinds=Kinds(gaussian=0.5, sharp=0.5), sigma=(2.0, 3.0), noise=(0.0, 0.0),
        jpeg_share=0.0, layers=(0.0, 1.0, 0.0),
    )  # fmt: skip
    degraded = degrade(clean, halves, seeded(2))
    change = (degraded - clean).abs().amax(1) > 1.5 / 255
    changed = change.float().mean((1, 2))
    both = (changed > 0.1) & (changed < 0.8)
    assert float(both.float().mean()) > 0.3


def test_a_moving_subject_takes_its_outline_along(photos: Tensor) -> None:
    """White on black: the nearer layer's light is spread beyond where it stood."""
    del photos
    clean = torch.ones(40, 3, 64, 64)
    moving = way(
        clean_share=0.0, kinds=Kinds(motion=1.0), length=(9.0, 13.0), noise=(0.0, 0.0),
        jpeg_share=0.0, layers=(0.0, 1.0, 0.0), moving_share=1.0,
    )  # fmt: skip
    # A white subject on a white ground stays white: nothing is lost or counted twice.
    torch.testing.assert_close(degrade(clean, moving, seeded(3)), clean, atol=1 / 255, rtol=0)


def test_the_halo_is_seen_and_cut_away(photos: Tensor) -> None:
    """With a halo the blur takes what lies beyond the crop, and reflects nothing."""
    strong = way(clean_share=0.0, kinds=Kinds(gaussian=1.0), sigma=(2.0, 2.0), noise=(0.0, 0.0),
                 jpeg_share=0.0)  # fmt: skip
    large = crops(photos, 2, side=96)
    inner = degrade(large, strong, seeded(4), halo=16)
    assert tuple(inner.shape) == (2, 3, 64, 64)
    whole = gaussian_blur(large, 2.0)[..., 16:80, 16:80]
    torch.testing.assert_close(inner, whole, atol=0.51 / 255, rtol=0)
    reflected = degrade(large[..., 16:80, 16:80], strong, seeded(4))
    difference = (reflected - inner).abs()
    assert float(difference.max()) > 2 / 255, "without the halo the border is reflected"
    assert float(difference[..., 10:-10, 10:-10].max()) < 1.1 / 255


def test_linear_light_spreads_highlights(photos: Tensor) -> None:
    clean = (crops(photos, 8) * 1.8).clamp(0, 1)  # with places that are white
    one = {"clean_share": 0.0, "kinds": Kinds(disk=1.0), "radius": (3.0, 3.0)}
    quiet = {"noise": (0.0, 0.0), "jpeg_share": 0.0}
    plain, linear, shining = (
        degrade(clean, way(**one, **quiet, linear_share=a, highlight_share=b), seeded(5))
        for a, b in ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
    )
    # Light's mean is above the mean of sRGB's values wherever they differ (Jensen).
    assert float(linear.mean()) > float(plain.mean()) and float(shining.mean()) > float(
        linear.mean()
    )
    torch.testing.assert_close(linear, to_srgb(disk_blur(to_linear(clean), 3.0)), atol=3e-3, rtol=0)


@pytest.mark.parametrize("step", ["sharpen_share", "resample_share", "twice_share", "webp_share"])
def test_every_further_step_happens_as_often_as_asked(photos: Tensor, step: str) -> None:
    clean = crops(photos, 100, side=32)
    never = {"clean_share": 0.0, "noise_free_share": 1.0, "jpeg_share": 0.0}
    plain, changed = (
        degrade(clean, way(**never, **{step: share}), seeded(8)) for share in (0.0, 0.4)
    )
    share = float((plain != changed).flatten(1).any(1).float().mean())
    assert 0.25 < share < 0.55
    torch.testing.assert_close(changed * 255, (changed * 255).round(), atol=1e-4, rtol=0)


def test_a_mixture_is_drawn_by_its_shares(photos: Tensor) -> None:
    clean = crops(photos, 300, side=32)
    sharp = Degradation(share=1.0, clean_share=1.0, clean_untouched=1.0)
    blurred = Degradation(share=3.0, clean_share=0.0, kinds=Kinds(disk=1.0), radius=(3.0, 3.0))
    degraded = degrade(clean, DegradeConfig(mixture=(sharp, blurred)), seeded(6))
    untouched = (degraded == clean).flatten(1).all(1)
    assert float(untouched.float().mean()) == pytest.approx(0.25, abs=0.08)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_upscale_training_reduces_and_rounds(photos: Tensor, scale: int) -> None:
    clean = crops(photos, 4)
    exactly = {"clean_share": 1.0, "clean_untouched": 1.0}
    config = DegradeConfig.from_dict({"task": "upscale", "scale": scale, **exactly})
    small = degrade(clean, config, seeded(1))
    assert tuple(small.shape) == (4, 3, 48 // scale, 48 // scale)
    exact = bicubic_reduce(clean, scale).clamp(0, 1)
    assert 0 < float((small - exact).abs().max()) <= 0.5001 / 255


@pytest.mark.parametrize("scale", [2, 4])
def test_upscale_training_reduces_blindly_too(photos: Tensor, scale: int) -> None:
    """Half exact, half by any filter, with blur, noise and codecs; all of one size."""
    blind = {
        "task": "upscale", "scale": scale, "clean_share": 0.5, "clean_untouched": 1.0,
        "sigma": [0.3, 1.5], "filters": {"box": 1, "bilinear": 1, "lanczos": 1},
        "aliased_share": 0.5, "webp_share": 0.2, "noise": [0.0, 15.0],
    }  # fmt: skip
    clean = crops(photos, 60, side=96)
    small = degrade(clean, DegradeConfig.from_dict(blind), seeded(1), halo=16)
    side = 64 // scale
    assert tuple(small.shape) == (60, 3, side, side)
    cut = 16 // scale
    exact = bicubic_reduce(clean, scale)[..., cut:-cut, cut:-cut].clamp(0, 1)
    same = ((small - exact).abs() <= 0.5001 / 255).flatten(1).all(1)
    assert 0.3 < float(same.float().mean()) < 0.7
    assert float((small - exact).abs().mean()) < 0.1, "the others show the same picture"


def test_a_recipe_s_table_is_read() -> None:
    config = DegradeConfig.from_dict({"sigma": [0.5, 2], "clean_share": 0.2, "jpeg_share": 1})
    (only,) = config.mixture
    assert only.sigma == (0.5, 2) and only.clean_share == 0.2 and only.jpeg_share == 1
    assert only.radius == Degradation().radius
    Degradation().check()
    ways = DegradeConfig.from_dict(
        {"mixture": [{"share": 2, "kinds": {"shake": 1}}, {"clean_share": 1}]}
    ).mixture
    assert [one.share for one in ways] == [2, 1.0]
    assert ways[0].kinds == Kinds(shake=1)
    assert ways[1].kinds == Degradation().kinds


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"sigmas": [1, 2]}, "unknown entries in \\[degrade\\]: sigmas"),
        ({"task": "upscale"}, "upscale at scale 2, 4 or 8"),
        ({"task": "deblur", "scale": 2}, "deblur at scale 1"),
        ({"task": 3}, "deblur at scale 1, or upscale"),
        ({"clean_share": 1.2}, "clean_share must lie between 0 and 1"),
        ({"clean_share": "much"}, "clean_share must be like 0.12"),
        ({"sigma": 2.0}, "sigma must be a list like"),
        ({"sigma": [1.0, 2.0, 3.0]}, "sigma must be a list like"),
        ({"sigma": [2.0, 1.0]}, "sigma must be two rising numbers from 0.1 to 7.5"),
        ({"sigma": [0.4, 9.0]}, "sigma must be two rising numbers from 0.1 to 7.5"),
        ({"length": [3, 70]}, "length must be two rising numbers"),
        ({"quality": [0, 90]}, "quality must be two rising numbers from 1 to 100"),
        ({"noise_power": 0}, "noise_power must be positive"),
        ({"kinds": {"gaussian": 0}}, "not all be 0"),
        ({"kinds": {"gaussian": -1, "disk": 2}}, "must not be negative"),
        ({"kinds": {"gaussian": True}}, "kinds.gaussian must be like 0.0"),
        ({"kinds": {"fog": 1}}, "unknown entries in \\[degrade.kinds\\]: fog"),
        ({"kinds": [1, 0, 0, 0]}, "degrade.kinds must be a table"),
        ({"layers": [0, 0, 0]}, "layers must not be negative, and not all be 0"),
        ({"jpeg_share": 0.7, "webp_share": 0.4}, "at most 1 together"),
        ({"size_power": 0}, "size_power must be positive"),
        ({"mixture": []}, "mixture must be a list of tables"),
        ({"mixture": [3]}, "degrade must be a table"),
        ({"mixture": [{}], "sigma": [1, 2]}, "sigma belong into it"),
        ({"task": "denoise", "sigma": [1, 2]}, "not in \\[degrade\\] of denoise"),
        ({"task": "reconstruct", "mixture": [{}]}, "not in \\[degrade\\] of reconstruct"),
    ],
)
def test_nonsense_is_refused(record: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        DegradeConfig.from_dict(record)


LAYERED = {
    "clean_share": 0.0,
    "kinds": {"sharp": 0.5, "gaussian": 0.5},
    "sigma": (2.0, 3.0),
    "layers": (0.2, 0.3, 0.5),
    "moving_share": 0.5,
}
STILL = {"noise": (0.0, 0.0), "jpeg_share": 0.0}


def taught(**changes: Any) -> DegradeConfig:
    record = {"task": "deblur", "mixture": [{**LAYERED, **changes, "taught": True}, {}]}
    return DegradeConfig.from_dict(record)


@pytest.mark.parametrize("field", [None, 7])
def test_crops_are_the_same_whether_their_layers_are_taken_or_not(
    photos: Tensor, field: int | None
) -> None:
    clean, layers = crops(photos, 16), list[Layers]()
    config = taught(noise=(5.0, 20.0), jpeg_share=0.5)
    streams = [(seeded(3), None if field is None else seeded(field)) for _ in range(2)]
    with_them = degrade(clean, config, *streams[0], 8, layers)
    assert torch.equal(with_them, degrade(clean, config, *streams[1], 8))
    assert torch.equal(streams[0][0].get_state(), streams[1][0].get_state())
    (found,) = layers  # of the one way that is taught
    assert 0 < len(found.rows) < 16
    assert len(found.pictures) == len(found.masks) + 1 == 3
    assert all(picture.shape == (len(found.rows), 3, 32, 32) for picture in found.pictures)


def test_layers_put_together_are_the_crop(photos: Tensor) -> None:
    layers: list[Layers] = []
    degraded = degrade(crops(photos, 16), taught(**STILL), seeded(4), halo=8, layers=layers)
    (found,) = layers
    together = blend(found.pictures, found.masks)
    # Every picture is rounded to 8 bits by itself.
    assert float((together - degraded[found.rows]).abs().max()) <= 1.01 / 255
    assert any(bool((picture != degraded[found.rows]).any()) for picture in found.pictures)


def test_a_layer_has_one_blur_all_over_and_the_noise_of_its_crop(photos: Tensor) -> None:
    clean, quiet, noisy = crops(photos, 16), list[Layers](), list[Layers]()
    still = degrade(clean, taught(**STILL), seeded(5), halo=8, layers=quiet)
    loud = taught(noise=(9.0, 9.0), noise_free_share=0.0, jpeg_share=0.0)
    shaken = degrade(clean, loud, seeded(5), halo=8, layers=noisy)
    (without,), (with_noise,) = quiet, noisy
    inside = clean[without.rows, :, 8:-8, 8:-8]
    sharp = [torch.isclose(x, inside).flatten(1).all(1) for x in without.pictures]
    assert any(bool(rows.any()) for rows in sharp)  # half of the layers are in focus
    assert any(not bool(rows.all()) for rows in sharp)
    noise = (shaken - still)[without.rows]
    for before, after in zip(without.pictures, with_noise.pictures, strict=True):
        unclipped = (after > 0.02) & (after < 0.98) & (before > 0.1) & (before < 0.9)
        assert float(((after - before) - noise)[unclipped].abs().median()) <= 1.01 / 255
