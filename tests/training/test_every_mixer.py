"""Every mixer, and EVSSM's own network, as a recipe names it: trained, resumed, exported, run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch

from serpent_cli.imaging.picture import Picture
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.training.export import export
from serpent_cli.training.loop import Trainer
from serpent_cli.training.recipe import Recipe, parse_recipe
from serpent_cli.training.run_log import StepReport

CPU = torch.device("cpu")
FREQUENCY = {"feed_forward": 2.0, "feed_forward_kind": "frequency"}
MODELS: dict[str, dict[str, Any]] = {
    "ss2d": {},
    "spatial": {"mixer": "spatial"},
    "plain": {"mixer": "plain", "state_size": 2},
    "v2m": {"mixer": "v2m", "state_size": 2},
    "mhs": {"mixer": "mhs", "state_size": 2, "expand": 1.0},
    "evssm": {"mixer": "evssm", "state_size": 2, "window": 128, **FREQUENCY},
    "network": {
        "topology": "evssm", "mixer": "evssm", "patch_size": 1, "depth_bottleneck": 0,
        "widths": [8, 8, 8], "depths_down": [2, 2, 2], "depths_up": [2, 2, 2], **FREQUENCY,
    },
}  # fmt: skip


def recipe(model: dict[str, Any]) -> Recipe:
    return parse_recipe(
        {
            "name": "each",
            "description": "For tests.",
            "model": {"widths": [8, 8, 8, 8], **model},
            "degrade": {"task": "deblur"},
            "data": {"crop": 16, "halo": 8, "batch": 2},
            "optim": {"steps": 3, "warmup": 1},
            "validation": {"every": 0},
            "log": {"every": 1, "checkpoint_minutes": 1000.0},
        }
    )


class StoppedError(Exception):
    """Stands for a kill in the middle of a run."""


@pytest.mark.parametrize("name", MODELS)
def test_it_trains_goes_on_and_restores(name: str, tmp_path: Path) -> None:
    photos = [torch.from_numpy(skimage.data.astronaut()[:128, :160].copy())]
    straight = Trainer(recipe(MODELS[name]), photos, tmp_path / "straight", CPU)
    before = {n: p.detach().clone() for n, p in straight.state.model.named_parameters()}
    straight.run(lambda _: None)

    def stop(report: StepReport) -> None:
        if report.step == 1:
            stopped.state.save(stopped.checkpoint)
            raise StoppedError

    stopped = Trainer(recipe(MODELS[name]), photos, tmp_path / "stopped", CPU)
    with pytest.raises(StoppedError):
        stopped.run(stop)
    resumed = Trainer(recipe(MODELS[name]), photos, tmp_path / "stopped", CPU)
    assert resumed.state.step == 1
    resumed.run(lambda _: None)
    for n, parameter in straight.state.model.named_parameters():
        assert torch.equal(parameter, resumed.state.model.get_parameter(n)), n
    learnt = "u1.blocks.0.mixer.project_out.weight"
    assert not torch.equal(straight.state.model.get_parameter(learnt), before[learnt])
    restores(resumed, tmp_path)


def restores(trainer: Trainer, folder: Path) -> None:
    """Export the run's network, and restore pictures of odd sizes whole and in tiles."""
    export(trainer, [folder], "serpent train each.toml --photos DIR")
    weights = str(trainer.out / "each.safetensors")
    whole = Restorer.from_pretrained(weights, device="cpu", tile="whole", precision="fp32")
    tiled = Restorer.from_pretrained(weights, device="cpu", tile=64, precision="fp32")
    generator = np.random.default_rng(0)
    for size in ((1, 1), (70, 91)):
        picture = Picture(generator.integers(0, 256, (*size, 3), dtype=np.uint8))
        results = [each.restore(picture).pixels for each in (whole, tiled)]
        assert all(pixels.shape == (*size, 3) for pixels in results)
