"""Peak memory of the real command on a 12-megapixel photograph, as the system counts it."""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from bench.timing import Row

HEIGHT, WIDTH = 3000, 4000
BUDGET = 2.0  # in units of 2^30 bytes


def rows() -> list[Row]:
    """`serpent deblur --max-memory 2G` on a JPEG of 4000 x 3000 pixels."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.jpg", Path(folder) / "out.jpg"
        # Smooth noise compresses like a photograph.
        small = np.random.default_rng(0).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
        Image.fromarray(small).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(source)
        command = ["deblur", str(source), "-o", str(target), "--max-memory", "2G", "-q"]
        subprocess.run([sys.executable, "-m", "serpent_cli", *command], check=True)
        with Image.open(target) as result:
            assert result.size == (WIDTH, HEIGHT)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return [Row("deblur 12 megapixels, --max-memory 2G", peak, "GiB", BUDGET, 1.0)]
