"""How wide the sharpest edges of photographs are, sharp and blurred: what `edges.BLURRED` rests on.

python -m bench edges --photos DIR.
"""

from pathlib import Path

import numpy as np
import torch

from bench.timing import Row
from serpent_cli.evaluation.cases import Case, degraded_inputs
from serpent_cli.evaluation.photographs import photographs, read_photograph
from serpent_cli.restoration.edges import BLURRED, edge_width

CASES = (
    Case("sharp", noise=0.0), Case("sharp, noise 25", noise=25.0),
    Case("sharp, JPEG 10", noise=0.0, quality=10.0), Case("Gaussian 1.6", sigma=1.6),
    Case("Gaussian 2.4", sigma=2.4), Case("Gaussian 2.4, JPEG 50", sigma=2.4, quality=50.0),
    Case("Gaussian 2.4, noise 10", sigma=2.4, noise=10.0), Case("disk 4", radius=4.0, linear=True),
    Case("disk 8", radius=8.0, linear=True), Case("shake 20", trail=20.0, linear=True),
    Case("Gaussian 2.4 but the middle", sigma=2.4, part="rim"),
)  # fmt: skip


def rows(photos: Path) -> list[Row]:
    """Narrowest, median and widest edges of each case, and how many count as blurred."""
    widths: dict[str, list[float]] = {case.name: [] for case in CASES}
    for path in photographs(photos):
        pixels = read_photograph(path)
        clean = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
        for case, x in degraded_inputs(path.name, clean, CASES):
            given = x[0].permute(1, 2, 0).mul(255).round().byte().numpy()
            widths[case.name].append(edge_width(given) or np.nan)
    found: list[Row] = []
    for name, each in widths.items():
        for what, value in (("least", np.nanmin), ("median", np.nanmedian), ("most", np.nanmax)):
            found.append(Row(f"{name}: {what}", float(value(each)), "pixels"))
        share = float(np.mean(np.array(each) >= BLURRED))
        bar = 0.0 if name.startswith("sharp") else None
        found.append(Row(f"{name}: called blurred", share, "share", bar=bar))
    return found
