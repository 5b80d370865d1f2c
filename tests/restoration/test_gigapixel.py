"""A real gigapixel, restored within 2 GiB: measured by the operating system, checked to the end."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from serpent_cli.settings import own_process
own_process()  # as a command does
from pathlib import Path
import numpy as np, torch
from serpent_cli.imaging.read import open_bands, read_layout
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.write import write_picture
from serpent_cli.model.config import ModelConfig
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.restoration.streamed import needs_streaming, restore_file
from serpent_cli.zoo.card import Card

class Repeat(torch.nn.Module):
    def forward(self, x):
        return torch.nn.functional.interpolate(x, scale_factor=8)

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

folder, side = Path(sys.argv[1]), 4000
pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
write_picture(Picture(pixels), folder / "in.tif")
config = ModelConfig(widths=(16, 16, 16, 16), scale=8)
card = Card("t", "upscale", 8, "t", "", "MIT", "", config, 8)
restorer = Restorer(Repeat().eval(), card, max_memory=2 * 2**30)
assert needs_streaming(restorer, read_layout(folder / "in.tif"))
result = restore_file(folder / "in.tif", folder / "out.tif", restorer)
restoring = peak()
wrong = 0
with open_bands(folder / "out.tif", max_pixels=2**31) as reader:
    assert (reader.head.height, reader.head.width) == (result.height, result.width)
    for top in range(0, result.height, 256):
        stop = min(top + 256, result.height)
        # Every row of the result, every pixel of the input, one of its eight columns in turn.
        found = reader.rows(top, stop).pixels[:, top // 256 % 8 :: 8]
        expected = pixels[top // 8 : -(-stop // 8)].repeat(8, axis=0)
        wrong += int(np.count_nonzero(found != expected))
print(result.height * result.width, wrong, restoring, result.peak_bytes, peak())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_a_gigapixel_is_made_within_two_gibibytes(tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < 5 * 2**30:
        pytest.skip("a gigapixel needs 5 GiB of disk")
    try:
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
    finally:
        for each in tmp_path.iterdir():
            each.unlink()
    made, wrong, restoring, predicted, reading = map(int, run.stdout.split())
    assert made == 32000 * 32000
    assert wrong == 0
    assert restoring <= predicted <= 2 * 2**30
    assert reading < 2 * 2**30
