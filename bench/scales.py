"""How much each token scale of the bundled deblurring networks matters.

python -m bench scales --photos DIR

What comes up from a scale and all coarser ones is replaced by zeros, and the output compared with
the untouched one. A scale whose absence hardly shows is time and weights spent on nothing.
"""

from pathlib import Path

import torch
from torch import Tensor

from bench.timing import Row
from serpent_cli.evaluation.cases import Case, degraded_inputs
from serpent_cli.evaluation.photographs import photographs, read_photograph
from serpent_cli.model.unet import Serpent
from serpent_cli.zoo.load import load_model
from serpent_cli.zoo.locate import list_cards

CASES = (
    Case("Gaussian 1.6", sigma=1.6), Case("half Gaussian 1.6", sigma=1.6, part="half"),
    Case("disk 6", radius=6.0, linear=True), Case("shake 20", trail=20.0, linear=True),
)  # fmt: skip
UPWARD = {"u1": 1, "u2": 2, "u3": 3}
"""S-blocks of the decoder, and the token scale of their blocks; 0 is the finest."""
SIDE, MOST = 256, 10  # of the crop from the middle of each photograph; photographs


def rows(photos: Path) -> list[Row]:
    """Change of the output without a scale; its limit is the network's own change."""
    clean = {path.name: middle(torch.from_numpy(read_photograph(path).copy()))
             for path in photographs(photos)[:MOST]}  # fmt: skip
    names = [card.name for card in list_cards() if card.task == "deblur"]
    return [row for name in names for row in model_rows(name, clean)]


@torch.inference_mode()
def model_rows(name: str, clean: dict[str, Tensor]) -> list[Row]:
    """Rows of one network: means over the photographs."""
    network, card = load_model(name, torch.device("cpu"))
    found: list[Row] = []
    for case in CASES:
        own: list[float] = []
        missing: dict[str, list[float]] = {part: [] for part in UPWARD}
        for file, photo in clean.items():
            ((_, x),) = degraded_inputs(file, photo, (case,))
            whole = network(x)
            own.append(rms(whole - x))
            for part, values in missing.items():
                values.append(rms(without(network, part, x) - whole))
        for part, values in missing.items():
            side = card.config.patch_size << UPWARD[part]
            what = f"{name}, {case.name}: without tokens of {side} pixels and more"
            found.append(Row(what, sum(values) / len(values), "levels", sum(own) / len(own)))
    return found


def middle(photo: Tensor) -> Tensor:
    """(1, 3, SIDE, SIDE) in [0, 1] from the middle of (H, W, 3)."""
    top, left = ((length - SIDE) // 2 for length in photo.shape[:2])
    return photo[top : top + SIDE, left : left + SIDE].permute(2, 0, 1)[None].float() / 255


def without(network: Serpent, part: str, x: Tensor) -> Tensor:
    """The output when an S-block of the decoder passes on nothing."""

    def silence(_module: object, _given: object, output: Tensor) -> Tensor:
        return torch.zeros_like(output)

    hook = network.get_submodule(part).register_forward_hook(silence)
    try:
        return network(x)
    finally:
        hook.remove()


def rms(x: Tensor) -> float:
    """Root mean square in levels of 255."""
    return float(x.square().mean().sqrt()) * 255
