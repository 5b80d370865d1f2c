"""ST-LPIPS, with random weights and, where they are installed, with the real ones."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from torch import Tensor

from serpent_cli.errors import DeviceError
from serpent_cli.evaluation import perceptual
from serpent_cli.evaluation.perceptual import (
    distance_by,
    distances,
    features,
    load_distance,
    why_not,
)
from serpent_cli.evaluation.suite import Score
from serpent_cli.restoration.restorer import Restorer

SHAPES = ((64, 3, 11, 11), (192, 64, 5, 5), (384, 192, 3, 3), (256, 384, 3, 3), (256, 256, 3, 3))


@pytest.fixture
def weights() -> dict[str, Tensor]:
    """As the package names and shapes them; random, the judgements not negative."""
    generator = torch.Generator().manual_seed(1)
    made: dict[str, Tensor] = {}
    for layer, (name, shape) in enumerate(zip(perceptual.LAYERS, SHAPES, strict=True)):
        fan = shape[1] * shape[2] * shape[3]
        made[f"net.{name}.weight"] = torch.randn(shape, generator=generator) / fan**0.5
        made[f"net.{name}.bias"] = torch.zeros(shape[0])
        made[f"lin{layer}.model.1.weight"] = torch.rand(1, shape[0], 1, 1, generator=generator)
    return made


@pytest.fixture
def package(weights: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of that layout whose code must not run; returns the file of weights."""
    root = tmp_path / "a_package"
    (root / perceptual.WEIGHTS).parent.mkdir(parents=True)
    (root / "__init__.py").write_text("raise RuntimeError('it was run')")
    torch.save(weights, root / perceptual.WEIGHTS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(perceptual, "MODULE", "a_package")
    return root / perceptual.WEIGHTS


def test_equal_pictures_are_equal_and_worse_ones_are_farther(weights: dict[str, Tensor]) -> None:
    distance = distance_by(weights)
    sharp = skimage.data.coffee()[:64, :80] / 255
    noise = np.random.default_rng(2).normal(0, 1, sharp.shape)
    slight, strong = (np.clip(sharp + level * noise, 0, 1) for level in (0.02, 0.1))
    assert distance(sharp, sharp) == 0
    assert 0 < distance(slight, sharp) < distance(strong, sharp)
    assert distance(sharp, slight) == pytest.approx(distance(slight, sharp), rel=1e-5)


def test_the_distance_of_training_is_that_of_the_tables(weights: dict[str, Tensor]) -> None:
    generator = torch.Generator().manual_seed(5)
    first, second = torch.rand(2, 1, 3, 64, 64, generator=generator)
    first.requires_grad_()
    ours = distances(features(first, weights), features(second, weights), weights)
    arrays = [x[0].permute(1, 2, 0).detach().numpy() for x in (first, second)]
    assert float(ours.detach()) == pytest.approx(distance_by(weights)(*arrays), rel=1e-5)
    (slope,) = torch.autograd.grad(ours.sum(), first)
    assert bool(torch.isfinite(slope).all()) and float(slope.abs().sum()) > 0


def test_the_weights_are_taken_from_the_package_and_its_code_is_not_run(package: Path) -> None:
    assert why_not() is None
    sharp = skimage.data.coffee()[:64, :80] / 255
    assert load_distance()(sharp, sharp) == 0
    assert "a_package" not in sys.modules
    package.unlink()
    assert why_not() == f"there is no {package}"
    with pytest.raises(DeviceError, match="ST-LPIPS cannot be computed: there is no"):
        load_distance()


def test_scores_hold_it_for_whole_frames_only(
    scored: Callable[..., list[Score]], sharper: Restorer, folder: Path
) -> None:
    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a - b).mean())

    scores = scored(sharper, "partial", folder, distance=distance)
    known = {s.case for s in scores if s.st_lpips_after is not None}
    assert known == {"gaussian 1.6", "gaussian 2.4", "disk 3"}


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_the_real_one_is_what_the_package_measures() -> None:
    """Figures of version 0.0.2's own code, for net="alex", variant="shift_tolerant"."""
    distance = load_distance()
    sharp = skimage.data.coffee()[:230, :301] / 255
    noise = np.random.default_rng(5).normal(0, 0.04, sharp.shape)
    worn = np.clip(0.9 * sharp + 0.03 + noise, 0, 1)
    assert distance(worn, sharp) == pytest.approx(0.2633861, rel=1e-5)
    assert distance(np.roll(sharp, 1, 1), sharp) == pytest.approx(0.00969677, rel=1e-5)
