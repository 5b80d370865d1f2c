"""Training for crisp pictures: lettering, the discriminator, large shapes, and resuming."""

from pathlib import Path
from typing import Any

import pytest
import skimage.data
import torch
from torch import Tensor

from serpent_cli.errors import UsageError
from serpent_cli.training.discriminator import Discriminator, SpectralConv
from serpent_cli.training.lettering import with_lettering
from serpent_cli.training.loop import LATER, Trainer, digest
from serpent_cli.training.recipe import Recipe, parse_recipe
from serpent_cli.training.run_log import StepReport
from serpent_cli.training.texture import low_frequency_rms

CPU = torch.device("cpu")
BEFORE = "f44fe2a892215d9c"  # what the program said of this recipe before there were such entries


def recipe(**loss: Any) -> Recipe:
    return parse_recipe(
        {
            "name": "small",
            "description": "For tests.",
            "model": {"widths": [8, 8, 8, 8], "patch_size": 1, "scale": 2},
            "degrade": {"task": "upscale", "scale": 2},
            "data": {"crop": 32, "halo": 8, "batch": 2, "lettering_share": 0.5},
            "optim": {"steps": 4, "warmup": 1},
            "loss": loss,
            "log": {"every": 1, "checkpoint_minutes": 1000.0},
        }
    )


def photos() -> list[Tensor]:
    return [torch.from_numpy(skimage.data.astronaut()[:128, :160].copy())]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ignore(report: StepReport) -> None:
    del report


def test_a_share_of_the_crops_is_written_on_and_the_rest_is_untouched() -> None:
    grey = torch.full((200, 3, 64, 64), 128, dtype=torch.uint8)
    crops = with_lettering(grey, 0.25, seeded(1))
    written = (crops != grey).flatten(1).any(1)
    assert 0.15 < float(written.float().mean()) < 0.35
    assert bool((grey == 128).all()), "the crops handed in must not change"
    assert torch.equal(crops, with_lettering(grey, 0.25, seeded(1)))
    assert not torch.equal(crops, with_lettering(grey, 0.25, seeded(2)))


def test_no_share_draws_nothing() -> None:
    generator, grey = seeded(3), torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    assert with_lettering(grey, 0.0, generator) is grey
    assert torch.equal(generator.get_state(), seeded(3).get_state())


def test_every_kernel_but_the_outer_ones_has_a_largest_singular_value_of_one() -> None:
    torch.manual_seed(0)
    for module in Discriminator().modules():
        if isinstance(module, SpectralConv):
            module.settle(200)  # from the 20 rounds of the start to the limit
            matrix = module.weight.detach().flatten(1)
            used = float(matrix.mul(module.left[:, None] * module.right).sum())
            assert used == pytest.approx(float(torch.linalg.matrix_norm(matrix, 2)), rel=1e-3)


def test_low_frequencies_are_blind_to_fine_texture_but_see_a_shift_of_colour() -> None:
    target = torch.full((1, 3, 64, 64), 0.5)
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    texture = 0.1 * (1 - 2 * ((rows + columns) % 2)).float()
    assert float(low_frequency_rms(target + texture, target, 4)) < 0.1 / 20
    assert float(low_frequency_rms(target + 0.1, target, 4)) == pytest.approx(0.1, rel=1e-3)


def test_a_killed_run_goes_on_bit_by_bit_with_its_discriminator(tmp_path: Path) -> None:
    terms = {"adversarial": 0.1, "low_frequency": 1.0}
    straight = Trainer(recipe(**terms), photos(), tmp_path / "straight", CPU)
    straight.run(ignore)

    def kill(report: StepReport) -> None:
        if report.step == 2:
            killed.state.save(killed.checkpoint)
            raise KeyboardInterrupt

    killed = Trainer(recipe(**terms), photos(), tmp_path / "killed", CPU)
    with pytest.raises(KeyboardInterrupt):
        killed.run(kill)
    resumed = Trainer(recipe(**terms), photos(), tmp_path / "killed", CPU)
    assert resumed.state.step == 2
    resumed.run(ignore)
    assert straight.state.rival is not None and resumed.state.rival is not None
    pairs = (
        (straight.state.model, resumed.state.model),
        (straight.state.rival.model, resumed.state.rival.model),
    )
    for ours, theirs in pairs:
        for name, value in ours.state_dict().items():
            assert torch.equal(value, theirs.state_dict()[name]), name


def test_the_discriminator_moves_and_moves_the_network(tmp_path: Path) -> None:
    plain = Trainer(recipe(), photos(), tmp_path / "plain", CPU)
    crisp = Trainer(recipe(adversarial=0.1), photos(), tmp_path / "crisp", CPU)
    assert crisp.state.rival is not None
    before = {name: x.clone() for name, x in crisp.state.rival.model.named_parameters()}
    plain.run(ignore)
    crisp.run(ignore)
    moved = dict(crisp.state.rival.model.named_parameters())
    assert all(not torch.equal(value, moved[name]) for name, value in before.items())
    weights = dict(crisp.state.model.named_parameters())
    assert any(not torch.equal(x, weights[n]) for n, x in plain.state.model.named_parameters())


@pytest.mark.parametrize("section, word", LATER)
def test_entries_that_are_zero_leave_a_recipe_what_it_was(section: str, word: str) -> None:
    record = {"name": "a", "description": "b", "degrade": {"task": "deblur"}}
    off, on = {"muon": (False, True), "teacher": ("", "deblur-even")}.get(word, (0.0, 0.1))
    taught = {"task": "deblur", "taught": word == "teacher"}
    assert digest(parse_recipe({**record, section: {word: off}})) == BEFORE
    assert digest(parse_recipe({**record, "degrade": taught, section: {word: on}})) != BEFORE


@pytest.mark.parametrize(
    "section, word, value",
    [
        ("data", "lettering_share", 1.5),
        ("loss", "adversarial", -0.1),
        ("loss", "perceptual", -1.0),
        ("optim", "start_share", 1.0),
        ("optim", "start_share", -0.1),
    ],
)
def test_entries_out_of_range_are_refused(section: str, word: str, value: float) -> None:
    record = {"name": "a", "description": "b", "degrade": {"task": "deblur"}}
    with pytest.raises(UsageError, match=word):
        parse_recipe({**record, section: {word: value}})
