"""Validation: held-out crops that the run itself never notices."""

import copy
from pathlib import Path
from typing import Any

import pytest
import skimage.data
import skimage.metrics
import torch
from torch import Tensor

from serpent_cli.degrade.resize import bicubic_enlarge
from serpent_cli.errors import UsageError
from serpent_cli.training.loop import Trainer
from serpent_cli.training.recipe import Recipe, parse_recipe
from serpent_cli.training.run_log import StepReport
from serpent_cli.training.validation import Validation, hold_out

CPU = torch.device("cpu")
SMALL: dict[str, Any] = {
    "name": "small",
    "description": "For tests.",
    "seed": 3,
    "model": {"widths": [8, 8, 8, 8]},
    "degrade": {"task": "deblur"},
    "data": {"crop": 16, "halo": 8, "batch": 2},
    "optim": {"steps": 5, "warmup": 2},
    "validation": {"every": 2, "photos": 2, "crop": 32},
    "log": {"every": 3},
}


def recipe(**changes: Any) -> Recipe:
    record = copy.deepcopy(SMALL)
    for section, values in changes.items():
        record[section].update(values)
    return parse_recipe(record)


@pytest.fixture(scope="module")
def photos() -> list[Tensor]:
    photo = torch.from_numpy(skimage.data.astronaut())
    return [photo[y : y + 64, 150:230].clone() for y in range(0, 320, 64)]


def test_held_out_photographs_are_not_trained_on(photos: list[Tensor]) -> None:
    train, held_out = hold_out(photos, recipe())
    assert [len(train), len(held_out)] == [3, 2]
    assert {id(photo) for photo in train + held_out} == {id(photo) for photo in photos}
    assert hold_out(photos, recipe())[1][0] is held_out[0]
    sets = [hold_out(photos, parse_recipe({**SMALL, "seed": seed}))[1] for seed in range(6)]
    assert len({tuple(map(id, chosen)) for chosen in sets}) > 1


def test_too_few_photographs_are_refused(photos: list[Tensor]) -> None:
    with pytest.raises(UsageError, match="0 of 5 photographs have 80 x 80"):
        hold_out(photos, recipe(validation={"crop": 64}))
    with pytest.raises(UsageError, match="too few"):
        hold_out(photos, recipe(validation={"photos": 5}))


@pytest.mark.parametrize("scale", [1, 2])
def test_the_gain_is_what_scikit_image_measures(photos: list[Tensor], scale: int) -> None:
    task = {"task": "deblur" if scale == 1 else "upscale", "scale": scale}
    plan = recipe(degrade=task, model={"scale": scale}, data={"crop": 32})
    validation = Validation(plan, photos[:2], CPU)
    assert validation.target.shape == (2, 3, 32, 32)

    def restore(degraded: Tensor) -> Tensor:
        assert degraded.shape[-1] == 32 // scale
        return validation.target + 0.01 * torch.ones(()) * (1 - 2 * (validation.target > 0.5))

    def psnr(x: Tensor, y: Tensor) -> float:
        pair = (x.clamp(0, 1).double().numpy(), y.double().numpy())
        return skimage.metrics.peak_signal_noise_ratio(*pair, data_range=1)

    # PyTorch's cubic has another coefficient than MATLAB's: only deblurring is compared exactly.
    before = bicubic_enlarge(validation.degraded, scale) if scale > 1 else validation.degraded
    pairs = list(zip(before, validation.target, strict=True))
    expected = 40 - sum(psnr(x, y) for x, y in pairs) / 2
    assert validation.measure(restore) == pytest.approx(expected, abs=1e-3 if scale == 1 else 0.5)


def test_crops_repeat_and_none_is_left_sharp(photos: list[Tensor]) -> None:
    plan = recipe(degrade={"clean_share": 1.0})
    first, second = (Validation(plan, photos[:4], CPU) for _ in range(2))
    assert torch.equal(first.degraded, second.degraded)
    assert (first.degraded != first.target).flatten(1).any(1).all()


def test_a_run_is_not_disturbed_by_its_validation(tmp_path: Path, photos: list[Tensor]) -> None:
    reports: list[StepReport] = []
    watched = Trainer(recipe(), photos[:3], tmp_path / "a", CPU, held_out=photos[3:])
    watched.run(reports.append)
    alone = Trainer(recipe(validation={"every": 0}), photos[:3], tmp_path / "b", CPU)
    alone.run(lambda report: None)
    for name, parameter in alone.state.model.named_parameters():
        assert torch.equal(parameter, watched.state.model.get_parameter(name)), name
    assert [(r.step, r.val_psnr is not None) for r in reports] == [
        (2, True), (3, False), (4, True), (5, True)
    ]  # fmt: skip


def test_held_out_photographs_need_a_recipe_that_validates(
    tmp_path: Path, photos: list[Tensor]
) -> None:
    plan = recipe(validation={"every": 0})
    with pytest.raises(UsageError, match=r"validation\.every"):
        Trainer(plan, photos, tmp_path, CPU, held_out=photos)
