"""Learning from a teacher: what it shows, where it is followed, and runs that have one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import skimage.data
import torch
from torch import Tensor, nn

from serpent_cli.degrade.pipeline import Layers
from serpent_cli.errors import UsageError
from serpent_cli.training.loop import Trainer
from serpent_cli.training.recipe import Recipe, parse_recipe
from serpent_cli.training.run_log import StepReport
from serpent_cli.training.teacher import PATCH, Teacher, begin_teacher, nearer
from serpent_cli.zoo.locate import weights_folder

MakeWeights = Callable[..., Path]
CPU = torch.device("cpu")
PARTLY = {
    "taught": True,
    "clean_share": 0.0,
    "kinds": {"sharp": 0.4, "gaussian": 0.6},
    "layers": [0.0, 1.0, 0.0],
}


def recipe(teacher: str = "", mixture: Any = None, **sections: Any) -> Recipe:
    ways = mixture or [{**PARTLY, "taught": bool(teacher)}, {"share": 0.5}]
    return parse_recipe(
        {
            "name": "pupil",
            "description": "For tests.",
            "model": {"widths": [8, 8, 8, 8]},
            "degrade": {"task": "deblur", "mixture": ways},
            "data": {"crop": 64, "halo": 16, "batch": 4},
            "optim": {"steps": 4, "warmup": 1},
            "loss": {"teacher": teacher, **sections.pop("loss", {})},
            "log": {"every": 1, "checkpoint_minutes": 1000.0},
            **sections,
        }
    )


def photos() -> list[Tensor]:
    return [torch.from_numpy(skimage.data.astronaut()[:256, :320].copy())]


def ignore(report: StepReport) -> None:
    del report


class Brighter(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 0.25


def test_the_teacher_sees_each_layer_and_its_pictures_are_put_together() -> None:
    truth = torch.full((3, 3, 8, 8), 0.5)
    near, far = torch.full((2, 3, 8, 8), 0.1), torch.full((2, 3, 8, 8), 0.9)
    mask = torch.zeros(2, 1, 8, 8)
    mask[..., :4] = 1
    layers = [Layers(torch.tensor([0, 2]), [near, far], [mask])]
    made = Teacher(Brighter(), half=False).pictures(truth, layers, map)
    assert torch.equal(made[1], truth[1])  # nobody teaches this one
    assert torch.allclose(made[[0, 2], :, :, :4], torch.tensor(0.35))
    assert torch.allclose(made[[0, 2], :, :, 4:], torch.tensor(1.0))  # clipped


def test_the_teacher_is_followed_square_by_square_where_it_is_nearer_to_the_truth() -> None:
    side = PATCH + PATCH // 2  # the last squares are cut off
    truth = torch.zeros(1, 3, side, side)
    output, taught = truth + 0.2, truth + 0.1
    taught[..., :PATCH, PATCH:] = 0.3
    goal = nearer(output, truth, taught)
    assert torch.equal(goal[..., :PATCH, PATCH:], truth[..., :PATCH, PATCH:])
    assert torch.equal(goal[..., PATCH:, :], taught[..., PATCH:, :])
    assert torch.equal(goal[..., :PATCH, :PATCH], taught[..., :PATCH, :PATCH])


def test_a_taught_run_sees_the_crops_of_one_that_is_not_and_repeats_itself(
    tmp_path: Path, make_weights: MakeWeights
) -> None:
    teacher = str(make_weights("teacher"))
    alone = Trainer(recipe(), photos(), tmp_path / "alone", CPU)
    taught = Trainer(recipe(teacher), photos(), tmp_path / "taught", CPU)
    again = Trainer(recipe(teacher), photos(), tmp_path / "again", CPU)
    given, truth = alone.batch()
    same, both = taught.batch()
    assert torch.equal(given, same) and torch.equal(truth, both[:, :3])
    assert not torch.equal(truth, both[:, 3:])
    again.batch()
    for trainer in (taught, again):
        trainer.run(ignore)
    for name, value in taught.state.model.state_dict().items():
        assert torch.equal(value, again.state.model.state_dict()[name]), name


def test_the_bundled_teacher_is_nearer_to_the_truth_than_what_is_given(tmp_path: Path) -> None:
    weights = str(weights_folder() / "deblur-even.safetensors")
    way = {**PARTLY, "sigma": [1.0, 2.0], "noise": [0.0, 2.0], "jpeg_share": 0.0}
    trainer = Trainer(recipe(weights, [way]), photos(), tmp_path, CPU)
    given, both = trainer.batch()
    truth, taught = both.chunk(2, 1)
    errors = [float((x - truth).square().mean()) for x in (given, taught)]
    assert errors[1] < 0.8 * errors[0]


@pytest.mark.parametrize(
    "teacher, mixture, sections, message",
    [
        ("", [PARTLY], {}, "need each other"),
        ("deblur-even", [{}], {}, "need each other"),
        ("deblur-even", [PARTLY], {"loss": {"adversarial": 0.1}}, "crisp"),
        (
            "deblur-even",
            None,
            {
                "model": {"widths": [8, 8, 8, 8], "scale": 2},
                "degrade": {"task": "upscale", "scale": 2, "taught": True},
            },
            "upscale",
        ),
    ],
)
def test_what_cannot_be_taught_is_refused(
    teacher: str, mixture: Any, sections: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        recipe(teacher, mixture, **sections)


def test_a_teacher_of_something_else_is_refused(make_weights: MakeWeights) -> None:
    with pytest.raises(UsageError, match="for the task upscale"):
        begin_teacher(str(make_weights("large", scale=2)), CPU, half=False)
