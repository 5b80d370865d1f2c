"""--max-memory while three files are in work, measured by the operating system."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from pathlib import Path
import numpy as np, torch
from serpent_cli.batch import opened, runner, stages
from serpent_cli.batch.naming import Job
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.write import write_picture
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.zoo.card import Card

folder, side = Path(sys.argv[1]), 1000
rows, columns = np.mgrid[:side, :side].astype(np.float32) / side
picture = Picture(np.stack([rows, columns, rows], 2), columns)
write_picture(picture, folder / "a.tif")
jobs = [Job(folder / "a.tif", folder / f"{number}.tif") for number in range(8)]

torch.set_num_threads(1)
config = ModelConfig(widths=(8, 8, 8, 8))
card = Card("t", "deblur", 1, "t", "", "MIT", "", config, 8)
restorer = Restorer(build_model(config).eval(), card, tile=512)
plan = restorer.plan(side, side, sample_bytes=4, channels=4)
decoded = 4 * 4 * side**2
beside = opened.DECODING_BYTES * side**2 + stages.CODING_COPIES * decoded
restorer.budget = plan.peak_bytes + stages.THREAD_BYTES + beside
results = list(runner.run(jobs, restorer, stages.RunOptions()))
assert all(result.error is None for result in results), results
lines = open("/proc/self/status").read().splitlines()
peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
print(peak, restorer.budget)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_neighbours_stay_within_what_is_counted_for_them(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    measured, budget = map(int, result.stdout.split())
    assert measured <= budget
