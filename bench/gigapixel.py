"""Very large pictures within 2 GiB: a gigapixel from upscaling by 8, and 100 megapixels deblurred.

Each runs in a process of its own, whose peak the system counts; parts of the result are compared
with what `Restorer` makes of the same part of the input alone.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bench.timing import Row
from serpent_cli.imaging.bands import open_bands
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import read_picture
from serpent_cli.imaging.write import write_picture
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.restoration.streamed import restore_file
from serpent_cli.zoo.card import Card

BUDGET = 2.0  # in units of 2^30 bytes
CASES = {"upscale-x8": (4000, 8), "deblur": (10_000, 1)}
PATCH, PATCHES = 96, 3
MOST_LEVELS = 5.0
"""Root mean square in levels of 255. Tiles end where a scan would go on, so parts restored alone
differ a little: by 0.4 (upscale-x8) and 2.4 (deblur). One column of the input too far, the picture
differs by 12."""


def rows(network: str, most_rows: int) -> list[Row]:
    """Peak, time and difference of both cases.

    Args:
        network: `real` for the bundled weights, `tiny` for small random ones.
        most_rows: Rows of the inputs, where they would have more; the peak depends on the width.
    """
    return [row for case in CASES for row in _rows(case, network, most_rows)]


def _rows(case: str, network: str, most_rows: int) -> list[Row]:
    side, scale = CASES[case]
    height = min(side, most_rows)
    with tempfile.TemporaryDirectory() as folder:
        # Smooth noise compresses like a photograph.
        small = np.random.default_rng(0).integers(0, 256, (height // 8, side // 8, 3), np.uint8)
        image = Image.fromarray(small).resize((side, height), Image.Resampling.BICUBIC)
        write_picture(Picture(np.asarray(image)), Path(folder) / "in.tif")
        command = [sys.executable, "-m", "bench.gigapixel", case, network, folder]
        run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(run.stdout)
    name = f"{case} ({network}), {side * height * scale**2 / 1e6:.0f} megapixels out"
    return [
        Row(f"{name}: peak of --max-memory 2G", found["peak"] / 2**30, "GiB", BUDGET, 1.0),
        Row(f"{name}: predicted peak", found["predicted"] / 2**30, "GiB", BUDGET, 1.0),
        Row(f"{name}: {found['tiles']} tiles", found["seconds"], "s"),
        Row(f"{name}: from parts restored alone", found["rms"], "levels", MOST_LEVELS, 1.0),
    ]


def load(case: str, network: str) -> Restorer:
    """The restorer of a case."""
    budget, scale = int(BUDGET * 2**30), CASES[case][1]
    if network == "real":
        return Restorer.from_pretrained(case, device="cpu", max_memory=budget)
    torch.manual_seed(0)
    config = ModelConfig(widths=(8, 8, 8, 8), scale=scale)
    card = Card(case, "upscale", scale, "", "", "MIT", "", config, 32)
    model = build_model(config).eval()
    with torch.no_grad():  # a fresh network returns its input
        for parameter in model.depatchifier.parameters():
            parameter.normal_(std=0.02)
    return Restorer(model, card, max_memory=budget)


def difference(restorer: Restorer, source: Path, target: Path) -> float:
    """Largest root mean square, in levels, of parts of the result from those restored alone."""
    given, scale, worst = read_picture(source), restorer.scale, 0.0
    with open_bands(target, max_pixels=2**31) as reader:
        # From the top down, because rows are decoded in order.
        for number in range(PATCHES):
            top = (given.height - PATCH) * number // max(1, PATCHES - 1)
            left = (given.width - PATCH) * (PATCHES - 1 - number) // max(1, PATCHES - 1)
            alone = restorer.restore(given, region=(left, top, PATCH, PATCH)).pixels
            band = reader.rows(top * scale, (top + PATCH) * scale).pixels
            found = band[:, left * scale : (left + PATCH) * scale]
            worst = max(worst, float(np.sqrt(np.mean((found.astype(np.float64) - alone) ** 2))))
    return worst


def main(case: str, network: str, folder: Path) -> None:
    """Restore folder/in.tif, and print what was measured as JSON."""
    restorer, source, target = load(case, network), folder / "in.tif", folder / "out.tif"
    begun = time.perf_counter()
    result = restore_file(source, target, restorer)
    seconds = time.perf_counter() - begun
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    measured = {"peak": peak, "predicted": result.peak_bytes, "seconds": seconds}
    measured |= {"tiles": result.tiles, "rms": difference(restorer, source, target)}
    print(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
