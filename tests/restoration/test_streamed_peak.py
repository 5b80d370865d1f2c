"""The plan of a picture by bands, against the peak that the operating system measures."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

PROGRAM = """
import sys
from serpent_cli.settings import own_process
own_process()  # as a command does
from pathlib import Path
import numpy as np, torch
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.write import write_picture
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.restoration import streamed
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.zoo.card import Card

folder, suffix, scale, budget = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
height, width, dtype, transparent = int(sys.argv[5]), int(sys.argv[6]), sys.argv[7], sys.argv[8]
torch.set_num_threads(1)
pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8).astype(dtype)
alpha = pixels[..., 0].copy() if transparent == "alpha" else None
source, target = folder / f"in{suffix}", folder / f"out{suffix}"
if not source.exists():  # a process of its own: writing it whole takes more than restoring it
    write_picture(Picture(pixels, alpha), source)
    raise SystemExit
del pixels, alpha
config = ModelConfig(widths=(8, 8, 8, 8), scale=scale)
card = Card("t", "deblur", scale, "t", "", "MIT", "", config, 8)
restorer = Restorer(build_model(config).eval(), card, max_memory=budget)
region = tuple(map(int, sys.argv[9].split(","))) if sys.argv[9:] else None
result = streamed.restore_file(source, target, restorer, streamed.StreamOptions(region=region))
lines = open("/proc/self/status").read().splitlines()
peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
print(result.tiles, result.peak_bytes, peak)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
@pytest.mark.parametrize(
    ("suffix", "scale", "mebibytes", "height", "width", "dtype", "alpha"),
    [
        (".tif", 1, 720, 4000, 3000, "uint16", "opaque"),
        (".png", 1, 760, 2500, 2000, "uint8", "alpha"),
        (".tif", 4, 800, 800, 1000, "uint8", "opaque"),
    ],
)
def test_the_peak_stays_within_plan_and_budget(
    suffix: str, scale: int, mebibytes: int, height: int, width: int, dtype: str, alpha: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    values = (tmp_path, suffix, scale, mebibytes * 2**20, height, width, dtype, alpha)
    command = [sys.executable, "-c", PROGRAM, *map(str, values)]
    subprocess.run(command, check=True)
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    tiles, predicted, measured = (int(word) for word in result.stdout.split())
    assert tiles > 1
    assert measured <= predicted <= mebibytes * 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_a_small_part_of_a_wide_picture_counts_with_the_rows_it_lies_in(tmp_path: Path) -> None:
    """40000 columns are read for 64 of them."""
    values = (tmp_path, ".tif", 1, 960 * 2**20, 800, 40000, "uint16", "opaque")
    rows = np.random.default_rng(0).integers(0, 256, (800, 40000, 3), np.uint8).astype(np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", rows, photometric="rgb", rowsperstrip=16)
    command = [sys.executable, "-c", PROGRAM, *map(str, values), "100,100,64,600"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    _, predicted, measured = (int(word) for word in result.stdout.split())
    assert measured <= predicted <= 960 * 2**20
