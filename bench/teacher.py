"""What a teacher is worth: the bundled `deblur`, trained on for a while with one and without.

python -m bench teacher --photos DIR

The recipe is that of the first leg with a teacher, on smaller crops and for fewer steps. What is
printed are gains on crops of photographs that neither run sees.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from bench.timing import Row
from serpent_cli.evaluation import cases
from serpent_cli.evaluation.parts import PARTS
from serpent_cli.training.loop import Trainer
from serpent_cli.training.photos import load_photos
from serpent_cli.training.recipe import Recipe, read_recipe
from serpent_cli.zoo.locate import locate

RECIPE = Path(__file__).resolve().parent.parent / "recipes" / "deblur-13.toml"
STEPS, CROP, SIDE, HELD_OUT, MOST = 450, 128, 256, 20, 400
"""Steps of each run, sides of crops to train on and to measure, photographs for either."""
NAMES = (
    "gaussian 1.0", "gaussian 1.6", "gaussian 2.4", "disk 3", "motion 9", "half gaussian 1.6",
    "half gaussian 2.4", "half disk 3", "shake 10", "defocus 4",
)  # fmt: skip
Given = list[tuple[cases.Case, Tensor, Tensor]]


def rows(folder: Path, device: torch.device) -> list[Row]:
    """For each case the gain with a teacher; its limit is the gain without."""
    recipe = shortened(read_recipe(RECIPE))
    ways = tuple(replace(way, taught=False) for way in recipe.degrade.mixture)
    alone = replace(
        recipe, degrade=replace(recipe.degrade, mixture=ways), loss=replace(recipe.loss, teacher="")
    )
    photos = load_photos(folder, CROP + 2 * recipe.data.halo)
    order = torch.randperm(len(photos), generator=torch.Generator().manual_seed(5)).tolist()
    large = [index for index in order if min(photos[index].shape[:2]) >= SIDE]
    kept = large[:HELD_OUT]
    given = inputs([photos[index] for index in kept])
    seen = [photos[index] for index in order if index not in kept][:MOST]
    taught, plain = (gains(each, seen, given, device) for each in (recipe, alone))
    return [Row(f"{name}, with a teacher", taught[name], "dB", plain[name]) for name in NAMES]


def shortened(recipe: Recipe) -> Recipe:
    """The recipe on smaller crops, for fewer steps, without validation."""
    return replace(
        recipe,
        seed=1,
        data=replace(recipe.data, crop=CROP),
        validation=replace(recipe.validation, every=0),
        optim=replace(recipe.optim, steps=STEPS, lr=3e-4, warmup=20, ema=0.99),
        log=replace(recipe.log, every=STEPS, checkpoint_minutes=1e9),
    )


def inputs(photos: list[Tensor]) -> Given:
    """Every case of a corner of each photograph."""
    known = {case.name: case for suite in cases.CASES.values() for case in suite}
    wanted = [known[name] for name in NAMES]
    corners = [photo[:SIDE, :SIDE].permute(2, 0, 1)[None].float() / 255 for photo in photos]
    return [
        (case, x, clean)
        for index, clean in enumerate(corners)
        for case, x in cases.degraded_inputs(f"photograph {index}", clean, wanted)
    ]


@torch.no_grad()
def gains(
    recipe: Recipe, photos: list[Tensor], given: Given, device: torch.device
) -> dict[str, float]:
    """Mean gain in dB by case, after a run from the bundled weights."""
    start = locate(recipe.name).weights.tensors
    with tempfile.TemporaryDirectory() as out, torch.enable_grad():
        trainer = Trainer(recipe, photos, Path(out), device, start)
        trainer.run(lambda report: None)
    found = dict.fromkeys(NAMES, 0.0)
    weights = trainer.weights()
    for case, x, clean in given:
        restored = trainer.output(x.to(device), weights).cpu().clamp(0, 1)
        mask = slice(None) if case.part is None else torch.from_numpy(PARTS[case.part](SIDE, SIDE))
        before, after = ((y - clean).square().mean(1)[0][mask].mean() for y in (x, restored))
        found[case.name] += float(10 * (before / after).log10()) * len(NAMES) / len(given)
    return found
