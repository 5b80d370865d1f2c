"""Training networks for cubes: recipes, resuming, export, and what recipes may not mix."""

import copy
from pathlib import Path

import pytest
import skimage.data
import torch

from serpent_cli.cubes.axes import NOISE
from serpent_cli.errors import UsageError
from serpent_cli.training.crops import cube_pair
from serpent_cli.training.export import export
from serpent_cli.training.loop import Trainer
from serpent_cli.training.recipe import parse_recipe, read_recipe
from serpent_cli.zoo.checkpoint import Weights
from serpent_cli.zoo.load import load_model

RECIPES = Path(__file__).parents[2] / "recipes"
CPU = torch.device("cpu")
DENOISE = {
    "name": "tiny",
    "description": "For tests.",
    "model": {"widths": [8, 8, 8, 8], "channels": 4},
    "degrade": {"task": "denoise"},
    "data": {"crop": 16, "halo": 0, "batch": 2},
    "optim": {"steps": 4, "warmup": 2},
    "validation": {"every": 2, "photos": 1, "crop": 32},
    "log": {"every": 1, "checkpoint_minutes": 1000.0},
}
RECONSTRUCT = {
    **DENOISE,
    "model": {
        "topology": "cst", "channels": 4, "widths": [4, 8, 16], "patch_size": 1,
        "depth_bottleneck": 0,
    },
    "degrade": {"task": "reconstruct"},
    "data": {"crop": 128, "halo": 0, "batch": 1},
    "validation": {"every": 2, "photos": 1, "crop": 128},
    "cubes": {"noise": [0.0, 3.0]},
}  # fmt: skip
ASLE = {
    **RECONSTRUCT,
    "model": {**RECONSTRUCT["model"], "topology": "asle"},
    "data": {"crop": 32, "halo": 0, "batch": 2},
    "validation": {"every": 2, "photos": 1, "crop": 64},
}
UNFOLDING = {
    **RECONSTRUCT,
    "model": {"topology": "unfolding", "channels": 4, "widths": [8, 8, 8, 8]},
    "data": {"crop": 24, "halo": 0, "batch": 2},
    "validation": {"every": 2, "photos": 1, "crop": 40},
}


def photos():
    picture = torch.from_numpy(skimage.data.astronaut()[:160, :176].copy())
    return [picture, picture.flip(0)]


@pytest.mark.parametrize(
    "record",
    [DENOISE, RECONSTRUCT, ASLE, UNFOLDING],
    ids=["denoise", "reconstruct", "asle", "unfolding"],
)
def test_a_run_learns_and_is_exported(record, tmp_path):
    recipe, lines = parse_recipe(copy.deepcopy(record)), []
    trainer = Trainer(recipe, photos(), tmp_path, CPU)
    degraded, target = trainer.batch()
    channels = recipe.model.channels
    assert target.shape[1] == channels
    assert degraded.shape[1] == channels * (1 if record is DENOISE else 2)
    before = {n: p.detach().clone() for n, p in trainer.state.model.named_parameters()}
    trainer.run(lines.append)
    assert lines[-1].step == 4 and lines[-1].val_psnr is not None
    after = dict(trainer.state.model.named_parameters())
    assert any(not torch.equal(before[name], after[name]) for name in before)
    card = export(trainer, [], "serpent train")
    assert (card.task, card.config) == (recipe.degrade.task, recipe.model)
    assert card.trained["degradation"]["noise"] == recipe.cubes.noise
    assert Weights.read(tmp_path / "tiny.safetensors").config == recipe.model
    network, again = load_model(str(tmp_path / "tiny.safetensors"), CPU)
    assert (again.sha256, again.task, again.margin) == (card.sha256, card.task, card.margin)
    with torch.inference_mode():
        assert torch.isfinite(network(degraded)).all()


def test_denoising_is_learnt_along_the_axes_of_each_cube():
    """What is wanted is nearer to the scene than what is given, for any number of bands."""
    record = {**copy.deepcopy(DENOISE), "cubes": {"noise": [20.0, 20.0], "bands": [3, 9]}}
    recipe = parse_recipe(record)
    crops = torch.stack([photo[:64, :64].permute(2, 0, 1) for photo in photos()] * 2)
    stream = torch.Generator().manual_seed(0)
    given, wanted = cube_pair(crops.float() / 255, recipe, stream)
    assert given.shape == wanted.shape == (4, 4, 64, 64)
    change = (wanted - given).std((2, 3))
    assert (change[:, 0] > 0.1 * NOISE).all() and (change < 1.2 * NOISE).all()
    again = cube_pair(crops.float() / 255, recipe, torch.Generator().manual_seed(0))
    assert torch.equal(again[0], given) and torch.equal(again[1], wanted)


@pytest.mark.parametrize(
    "name", ["denoise-cube", "reconstruct", "reconstruct-cst", "reconstruct-asle"]
)
def test_bundled_recipes_begin(name, tmp_path):
    recipe = read_recipe(RECIPES / f"{name}.toml")
    size = sum(p.numel() for p in _meta(recipe).parameters())
    assert 2 * size < 10e6  # bytes of a bundled file
    assert recipe.degrade.task in ("denoise", "reconstruct")


def _meta(recipe):
    from serpent_cli.model.unet import build_model

    with torch.device("meta"):
        return build_model(recipe.model)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": {"channels": 3}}, "need model.channels"),
        ({"degrade": {"task": "deblur"}}, "need model.channels"),
        ({"degrade": {"task": "reconstruct"}}, "topologies cst, "),
        ({"degrade": {"task": "denoise", "noise": [0, 3]}}, r"told in \[cubes\]"),
        ({"data": {"flat_share": 0.1, "halo": 0}}, "for photographs"),
        ({"cubes": {"noise": [9.0, 3.0]}}, "malformed|rising"),
        ({"cubes": {"bands": [0, 3]}}, "malformed|rising"),
        ({"cubes": {"fog": 1.0}}, r"unknown entries in \[cubes\]: fog"),
    ],
)
def test_recipes_do_not_mix_cubes_and_photographs(changes, says):
    record = copy.deepcopy(DENOISE)
    for section, values in changes.items():
        record[section] = {**record.get(section, {}), **values}
    with pytest.raises((UsageError, ValueError), match=says):
        parse_recipe(record)
