"""Training: recipes, resuming bit by bit, starting from weights, and the export."""

import copy
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import skimage.data
import torch
from torch import Tensor

from serpent_cli.errors import NoInputError, SerpentError, UsageError
from serpent_cli.model.unet import build_model
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.training.export import export
from serpent_cli.training.loop import Trainer, digest
from serpent_cli.training.photos import load_photos
from serpent_cli.training.recipe import Recipe, parse_recipe, read_recipe
from serpent_cli.training.run_log import StepReport
from serpent_cli.zoo.checkpoint import Weights

RECIPES = sorted((Path(__file__).resolve().parents[2] / "recipes").glob("*.toml"))
CPU = torch.device("cpu")
SMALL: dict[str, Any] = {
    "name": "small",
    "description": "For tests.",
    "model": {"widths": [8, 8, 8, 8]},
    "degrade": {"task": "deblur"},
    "data": {"crop": 16, "halo": 8, "batch": 2},
    "optim": {"steps": 6, "warmup": 2},
    "log": {"every": 1, "checkpoint_minutes": 1000.0},
}


@pytest.fixture(scope="module")
def photos() -> list[Tensor]:
    return [torch.from_numpy(skimage.data.astronaut()[:128, :160].copy())]


def recipe(**changes: Any) -> Recipe:
    record = copy.deepcopy(SMALL)
    for section, values in changes.items():
        record.setdefault(section, {}).update(values)
    return parse_recipe(record)


def ignore(report: StepReport) -> None:
    del report


class KilledError(Exception):
    """Stands for a kill in the middle of a run."""


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_bundled_recipes_are_valid(path: Path) -> None:
    recipe = read_recipe(path)
    ways = recipe.degrade.mixture
    # Of the area that is seen, not of the crops: one with sharp and blurred parts counts by halves.
    sharp = sum(
        way.share * (way.clean_share + (1 - way.clean_share) * way.kinds.sharp) for way in ways
    )
    assert recipe.degrade.task != "deblur" or sharp / sum(way.share for way in ways) >= 0.1


EVERYTHING: dict[str, Any] = {
    "optim": {"accumulate": 2, "checkpointing": True},
    "data": {"batch": 4},
    "validation": {"every": 2, "photos": 1, "crop": 32},
}


MUON: dict[str, Any] = {"optim": {"muon": True}}


@pytest.mark.parametrize("changes", [{}, EVERYTHING, MUON], ids=["plain", "everything", "muon"])
def test_a_killed_run_goes_on_bit_by_bit(
    tmp_path: Path, photos: list[Tensor], changes: dict[str, Any]
) -> None:
    photos = [*photos, photos[0].flip(0)]
    straight = Trainer(recipe(**changes), photos, tmp_path / "straight", CPU)
    straight.run(ignore)

    def kill(report: StepReport) -> None:
        if report.step == 3:
            killed.state.save(killed.checkpoint)
        if report.step == 5:
            raise KilledError

    killed = Trainer(recipe(**changes), photos, tmp_path / "killed", CPU)
    with pytest.raises(KilledError):
        killed.run(kill)
    with killed.log.path.open("a") as stream:
        stream.write('{"step": 6, "lo')
    resumed = Trainer(recipe(**changes), photos, tmp_path / "killed", CPU)
    assert resumed.state.step == 3
    resumed.run(ignore)
    for name, parameter in straight.state.model.named_parameters():
        assert torch.equal(parameter, resumed.state.model.get_parameter(name)), name
        assert torch.equal(straight.state.average[name], resumed.state.average[name]), name
    assert results(resumed) == results(straight)
    assert [step for step, *_ in results(resumed)] == [1, 2, 3, 4, 5, 6]


def results(run: Trainer) -> list[tuple[int, float, float | None]]:
    """What the log says that does not depend on the clock."""
    lines = [json.loads(line) for line in run.log.path.read_text().splitlines()]
    return [(line["step"], line["loss"], line["val_psnr"]) for line in lines]


def test_a_state_of_another_recipe_is_refused(tmp_path: Path, photos: list[Tensor]) -> None:
    Trainer(recipe(), photos, tmp_path, CPU).run(ignore)
    with pytest.raises(UsageError, match="another recipe"):
        Trainer(recipe(optim={"lr": 1e-4}), photos, tmp_path, CPU)


def test_runs_go_on_that_began_before_a_choice_existed() -> None:
    before = digest(recipe())
    assert before == "a377a5e336b1a115"  # as it was before `loss.decibel` and `model.border`
    assert digest(recipe(loss={"decibel": 0.01})) != before
    assert digest(recipe(model={"border": "replicate"})) != before


def test_a_run_that_needs_less_memory_may_go_on(tmp_path: Path, photos: list[Tensor]) -> None:
    Trainer(recipe(), photos, tmp_path, CPU).run(ignore)
    frugal = recipe(optim={"accumulate": 2, "checkpointing": True})
    assert Trainer(frugal, photos, tmp_path, CPU).state.step == 6


def test_a_broken_state_is_refused(tmp_path: Path, photos: list[Tensor]) -> None:
    (tmp_path / "state.safetensors").write_bytes(b"nonsense")
    with pytest.raises(UsageError, match="not a training state"):
        Trainer(recipe(), photos, tmp_path, CPU)


def test_minutes_end_a_run_that_goes_on_later_as_if_nothing_had_been(
    tmp_path: Path, photos: list[Tensor]
) -> None:
    whole = Trainer(recipe(), photos, tmp_path / "whole", CPU)
    whole.run(ignore)
    reports: list[StepReport] = []
    stopped = Trainer(recipe(), photos, tmp_path / "parts", CPU)
    stopped.run(reports.append, minutes=0)
    assert len(reports) == 1 and 0 < stopped.state.step < whole.state.step
    again = Trainer(recipe(), photos, tmp_path / "parts", CPU)
    assert again.state.step == stopped.state.step
    again.run(ignore)
    for name, parameter in whole.state.model.named_parameters():
        assert torch.equal(parameter, again.state.model.get_parameter(name)), name


def test_training_brings_the_loss_down(tmp_path: Path, photos: list[Tensor]) -> None:
    # One fixed blur on one photograph: even a tiny network learns to sharpen a little.
    wanted = recipe(
        degrade={"sigma": [1.5, 1.5], "kinds": {"gaussian": 1}, "noise": [0, 0], "clean_share": 0.0,
                 "jpeg_share": 0.0},
        data={"batch": 8, "crop": 32},
        optim={"steps": 60, "lr": 3e-3, "warmup": 5},
        log={"every": 10},
    )  # fmt: skip
    reports: list[StepReport] = []
    Trainer(wanted, photos, tmp_path, CPU).run(reports.append)
    assert reports[-1].loss < 0.9 * reports[0].loss
    assert all(r.scan_share > 0 and r.scan_share + r.data_share < 1 for r in reports)
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [10, 20, 30, 40, 50, 60]


def test_weights_can_start_a_run(tmp_path: Path, photos: list[Tensor]) -> None:
    first = Trainer(recipe(), photos, tmp_path / "first", CPU)
    first.run(ignore)
    card = export(first, [tmp_path], "serpent train small.toml --photos DIR")
    weights = Weights.read(tmp_path / "first" / card.file).tensors
    second = Trainer(recipe(), photos, tmp_path / "second", CPU, weights)
    for name, parameter in second.state.model.named_parameters():
        assert torch.equal(parameter, first.state.average[name].half().float()), "stored in halves"


def test_a_share_of_the_start_stays(tmp_path: Path, photos: list[Tensor]) -> None:
    """Exported and validated, of a run that was interrupted too; the steps take no notice."""
    model = build_model(recipe().model)
    start = {name: torch.full_like(p, 0.01) for name, p in model.named_parameters()}
    plain = Trainer(recipe(), photos, tmp_path / "plain", CPU, start)
    plain.run(ignore)
    kept = recipe(optim={"start_share": 0.25})
    Trainer(kept, photos, tmp_path / "kept", CPU, start).run(ignore, minutes=0)
    again = Trainer(kept, photos, tmp_path / "kept", CPU, start)
    assert 0 < again.state.step < 6
    again.run(ignore)
    card = export(again, [tmp_path], "serpent train small.toml --photos DIR")
    exported = Weights.read(tmp_path / "kept" / card.file).tensors
    for name, average in plain.state.average.items():
        wanted = 0.75 * average + 0.25 * start[name]
        torch.testing.assert_close(exported[name].float(), wanted, rtol=1e-3, atol=1e-7)
    with pytest.raises(UsageError, match="the run began with"):
        Trainer(kept, photos, tmp_path / "kept", CPU)


def test_exported_weights_restore(tmp_path: Path, photos: list[Tensor]) -> None:
    trainer = Trainer(recipe(), photos, tmp_path / "run", CPU)
    trainer.run(ignore)
    (tmp_path / "ATTRIBUTION.tsv").write_text(
        "file\trepository\tpath\tlicence\tcredit\na\tx/y\ta\tCC0\tme\nb\tx/y\tb\tCC0\tme\n"
    )
    card = export(trainer, [tmp_path], "serpent train small.toml --photos DIR")
    assert card.data == [{"source": "x/y", "licence": "CC0", "images": 2}]
    restorer = Restorer.from_pretrained(str(tmp_path / "run" / card.file))
    assert restorer.card.to_json() == card.to_json()
    assert card.trained["runs"][-1]["steps"] == 6
    averaged = build_model(card.config)
    averaged.load_state_dict(trainer.state.average)
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        error = (restorer.forward.run(x, torch.float32) - averaged(x)).square().mean()
    assert error < 1e-7, "halves are 70 dB away at least"


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path, photos: list[Tensor]) -> None:
    trainer = Trainer(recipe(), photos, tmp_path, CPU)
    with torch.no_grad():
        trainer.state.model.get_parameter("depatchifier.project.bias").fill_(torch.nan)
    with pytest.raises(SerpentError, match="loss became nan"):
        trainer.run(ignore)


def test_folders_without_photographs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NoInputError):
        load_photos(tmp_path, 32)


@pytest.mark.parametrize(
    "change",
    [
        {"optim": {"speed": 1}}, {"optim": {"precision": "fp64"}},
        {"optim": {"accumulate": 3}}, {"optim": {"checkpointing": 1}}, {"optim": {"steps": True}},
        {"validation": {"photos": 0}}, {"validation": {"crop": 40}}, {"optim": {"steps": "many"}},
        {"model": {"preset": "huge"}}, {"data": {"crop": 17}}, {"model": {"scale": 2}},
        {"degrade": {"fog": 1}}, {"colour": {}},
    ],
)  # fmt: skip
def test_malformed_recipes_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SerpentError) as refusal:
        recipe(**change)
    assert refusal.value.exit_code in (2, 4)


def test_a_recipe_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("name = ")
    with pytest.raises(UsageError, match="not valid TOML"):
        read_recipe(path)
    with pytest.raises(UsageError, match="cannot read"):
        read_recipe(tmp_path / "none.toml")
    assert tomllib.loads(RECIPES[0].read_text())
