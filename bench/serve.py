"""Requests of 256 x 256 by `serpent deblur --server`, against the model's own speed."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from bench.timing import Row
from serpent_cli.imaging.picture import Picture
from serpent_cli.restoration.restorer import Restorer

COMMAND = (sys.executable, "-m", "serpent_cli")
SHARE = 0.8
SIDE = 256


def rows(count: int) -> list[Row]:
    """Seconds a picture by the model alone and by a server, and those of one new client.

    The model's own speed is that of `Restorer.restore` on pictures in memory, one after the other.
    """
    rng = np.random.default_rng(0)
    pictures = [_scene(rng) for _ in range(count)]
    own = _alone(pictures) / count
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        for number, pixels in enumerate(pictures):
            Image.fromarray(pixels).save(folder / "in" / f"{number:04}.png", compress_level=1)
        with _server(folder) as environment:
            served = _timed(folder, "in", "out", environment) / count
            one = min(_timed(folder, "in/0000.png", f"{i}.png", environment) for i in range(3))
        assert len(list((folder / "out").glob("*.png"))) == count
    return [
        Row(f"model alone, {SIDE} x {SIDE}", own, "s a picture"),
        Row(f"{count} requests by --server", served, "s a picture", own, 1 / SHARE),
        Row("one picture by a new client, start and end included", one, "s"),
    ]


def _scene(rng: np.random.Generator) -> np.ndarray:
    """Smooth colours with noise: neither flat nor hard to encode."""
    coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
    smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.int16)
    return np.clip(smooth + rng.integers(-3, 4, smooth.shape), 0, 255).astype(np.uint8)


def _alone(pictures: list[np.ndarray]) -> float:
    restorer = Restorer.from_pretrained("deblur")
    restorer.restore(Picture(pictures[0]))
    begun = time.perf_counter()
    for pixels in pictures:
        restorer.restore(Picture(pixels))
    return time.perf_counter() - begun


def _timed(folder: Path, source: str, target: str, environment: dict[str, str]) -> float:
    begun = time.perf_counter()
    subprocess.run(
        [*COMMAND, "deblur", source, "-o", target, "--server", "-q"], check=True, cwd=folder,
        env=environment,
    )  # fmt: skip
    return time.perf_counter() - begun


@contextmanager
def _server(folder: Path) -> Generator[dict[str, str]]:
    path = str(folder / "serpent.sock")
    with subprocess.Popen(
        [*COMMAND, "serve", "--socket", path], stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        while not (line := server.stderr.readline()).startswith("serving at"):
            assert line, "the server does not start"
        try:
            yield os.environ | {"SERPENT_SERVER": path}
        finally:
            server.terminate()
