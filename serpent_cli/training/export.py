"""From a finished run to what users load: averaged weights as safetensors, and their card."""

import csv
import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from serpent_cli.degrade.pipeline import degrade
from serpent_cli.model.limits import effective_margin, size_multiple
from serpent_cli.model.unet import build_model
from serpent_cli.training.crops import cube_pair
from serpent_cli.training.loop import Trainer
from serpent_cli.training.recipe import Recipe
from serpent_cli.whole_files import new_file
from serpent_cli.zoo.card import Card, sha256
from serpent_cli.zoo.checkpoint import save_weights

MARGIN_HEIGHT, MARGIN_WIDTH, MARGIN_PICTURES = 64, 512, 4  # input pixels, input pixels, pictures


def export(
    trainer: Trainer, folders: Sequence[Path], command: str, before: Card | None = None
) -> Card:
    """Write `<name>.safetensors` and `<name>.json` into the run's folder.

    Args:
        trainer: The run; its `weights` are the ones exported.
        folders: Where its photographs lie; each ATTRIBUTION.tsv there is summed up in the card.
        command: The command line that repeats the run.
        before: Card of the weights that the run began with: if they have the same name, its runs
            are part of the history; else the command names them.

    Returns:
        The card written, without scores: `serpent eval --write-card` adds them.
    """
    recipe, state, tensors = trainer.recipe, trainer.state, trainer.weights()
    weights = trainer.out / f"{recipe.name}.safetensors"
    # Half the bytes; what is rounded off is far below what 8 bits show. They compute in fp32.
    halves = {name: tensor.half() for name, tensor in tensors.items()}
    save_weights(halves, recipe.model, weights)
    run = {
        "command": command,
        "steps": state.step,
        "crops": state.step * recipe.data.batch,
        "seconds": round(state.seconds),
        "device": trainer.device.type,
    }
    card = Card(
        name=recipe.name,
        task=recipe.degrade.task,
        scale=recipe.model.scale,
        file=weights.name,
        sha256=sha256(weights),
        licence="MIT",
        description=recipe.description,
        config=recipe.model,
        margin=measure_margin(recipe, tensors, trainer.sampler.photos),
        trained={
            "degradation": dataclasses.asdict(recipe.cubes or recipe.degrade),
            "runs": [*_history(before, recipe.name), run],
        },
        data=attribution(folders),
        limits=list(recipe.limits),
    )
    write_card(card, weights.with_suffix(".json"))
    return card


def _history(before: Card | None, name: str) -> list[Any]:
    if before is None or before.name != name:
        return []
    return list(before.trained.get("runs", []))


def write_card(card: Card, path: Path) -> None:
    """Write a card, whole or not at all."""
    with new_file(path, force=True) as stream:
        stream.write(card.to_json().encode())


def measure_margin(recipe: Recipe, weights: dict[str, Tensor], photos: list[Tensor]) -> int:
    """Effective margin in input pixels, measured on degraded photographs; see `model.limits`."""
    model = build_model(recipe.model)
    model.load_state_dict({name: tensor.cpu() for name, tensor in weights.items()})
    scale = recipe.model.scale
    if recipe.degrade.task == "reconstruct":  # snapshots are reconstructed whole
        return 0
    # Few photographs are wide enough for a far look at a net that enlarges; take what there is.
    widest = sorted(photos, key=lambda photo: photo.shape[1], reverse=True)[:MARGIN_PICTURES]
    width = min(MARGIN_WIDTH * scale, *(photo.shape[1] for photo in widest))
    height = min(MARGIN_HEIGHT * scale, *(photo.shape[0] for photo in widest))
    multiple = size_multiple(recipe.model) * scale
    height, width = height // multiple * multiple, width // multiple * multiple
    clean = torch.stack([photo[:height, :width].cpu() for photo in widest]).permute(0, 3, 1, 2)
    generator = torch.Generator().manual_seed(recipe.seed)
    if recipe.cubes is not None:
        degraded, _ = cube_pair(clean.float() / 255, recipe, generator)
    else:
        degraded = degrade(clean.float() / 255, recipe.degrade, generator)
    return effective_margin(model.eval(), recipe.model, degraded)


def attribution(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Photographs by source and licence, counted from each folder's ATTRIBUTION.tsv, if any."""
    counts: Counter[tuple[str, str]] = Counter()
    for table in (folder / "ATTRIBUTION.tsv" for folder in folders):
        if table.is_file():
            with table.open(encoding="utf-8", newline="") as stream:
                rows = csv.DictReader(stream, delimiter="\t")
                counts.update((row["repository"], row["licence"]) for row in rows)
    return [
        {"source": source, "licence": licence, "images": count}
        for (source, licence), count in sorted(counts.items())
    ]
