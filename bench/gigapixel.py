"""Very large pictures within 2 GiB: a gigapixel from upscaling by 8, and 100 megapixels deblurred.

Each runs in a process of its own, whose peak the system counts. What only one tile covers must be,
to the bit, what the network makes of that tile alone; `python -m bench tiles` measures the seams.
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
from serpent_cli.imaging.colour import to_depth
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import open_bands, read_picture
from serpent_cli.imaging.write import write_picture
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.restoration.footprint import Streams
from serpent_cli.restoration.plan import make_plan
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.restoration.streamed import restore_file
from serpent_cli.tiling.grid import Span
from serpent_cli.zoo.card import Card

BUDGET = 2.0  # in units of 2^30 bytes
CASES = {"upscale-x8": (4000, 8), "deblur": (10_000, 1)}


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
        Row(f"{name}: samples unlike those of tiles alone", found["wrong"], "", bar=0),
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


def wrong_samples(restorer: Restorer, source: Path, target: Path) -> int:
    """Samples, of what one tile in each row of tiles covers alone, unlike what it gives alone."""
    given, s, wrong = read_picture(source), restorer.scale, 0
    with open_bands(source) as reader:
        plan = make_plan(
            given.height, given.width, restorer.costs, restorer.budget, streams=Streams(reader.step)
        )
    rows, columns = (lonely(spans) for spans in (plan.rows, plan.columns))
    with open_bands(target, max_pixels=2**31) as reader:
        for i, (row, own_rows) in enumerate(rows):  # downwards: rows are decoded in order
            column, own_columns = columns[i % len(columns)]
            tile = given.pixels[row.start : row.stop, column.start : column.stop]
            alone = to_depth(restorer.forward(tile), given.pixels.dtype)
            expected = alone[scaled(own_rows, s, row.start), scaled(own_columns, s, column.start)]
            band = reader.rows(own_rows.start * s, own_rows.stop * s).pixels
            wrong += int(np.count_nonzero(band[:, scaled(own_columns, s)] != expected))
    return wrong


def lonely(spans: tuple[Span, ...]) -> list[tuple[Span, Span]]:
    """Spans of an axis of which a part has no neighbour, and that part."""
    starts = [0, *(span.stop for span in spans[:-1])]
    stops = [*(span.start for span in spans[1:]), spans[-1].stop]
    own = (Span(*ends) for ends in zip(starts, stops, strict=True))
    return [(span, part) for span, part in zip(spans, own, strict=True) if part.length > 0]


def scaled(span: Span, scale: int, start: int = 0) -> slice:
    """Where a span lies in what is enlarged from `start` on."""
    return slice((span.start - start) * scale, (span.stop - start) * scale)


def main(case: str, network: str, folder: Path) -> None:
    """Restore folder/in.tif, and print what was measured as JSON."""
    restorer, source, target = load(case, network), folder / "in.tif", folder / "out.tif"
    begun = time.perf_counter()
    result = restore_file(source, target, restorer)
    seconds = time.perf_counter() - begun
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    measured = {"peak": peak, "predicted": result.peak_bytes, "seconds": seconds}
    measured |= {"tiles": result.tiles, "wrong": wrong_samples(restorer, source, target)}
    print(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
