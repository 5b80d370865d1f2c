"""The promise of --max-memory, measured by the operating system in a process of its own."""

import subprocess
import sys

import pytest

resource = pytest.importorskip("resource", reason="only POSIX systems tell the peak")

PROGRAM = """
import resource, sys
from serpent_cli.settings import own_process
if sys.argv[3] == "ours":
    own_process()
import numpy as np, torch
from serpent_cli.imaging.picture import Picture
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.zoo.card import Card

scale, budget = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
config = ModelConfig(widths=(16, 16, 16, 16), scale=scale)
card = Card("t", "deblur", scale, "t", "", "MIT", "", config, 8)
restorer = Restorer(build_model(config).eval(), card, max_memory=budget)
pixels = np.random.default_rng(0).integers(0, 256, (600 // scale, 700 // scale, 3), np.uint8)
plan = restorer.plan(*pixels.shape[:2])
restorer.restore(Picture(pixels))
if sys.platform == "linux":  # ru_maxrss starts from the parent's there
    lines = open("/proc/self/status").read().splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
else:
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
print(plan.tiles, plan.peak_bytes, peak)
"""


@pytest.mark.parametrize("whose", ["ours", "theirs"])  # a command's process, or a library's user's
@pytest.mark.parametrize(("scale", "mebibytes"), [(1, 500), (4, 445)])
def test_the_peak_stays_within_plan_and_budget(scale: int, mebibytes: int, whose: str) -> None:
    command = [sys.executable, "-c", PROGRAM, str(scale), str(mebibytes * 2**20), whose]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    tiles, predicted, measured = (int(word) for word in result.stdout.split())
    assert tiles > 1, "the budget must matter"
    assert measured <= predicted <= mebibytes * 2**20
