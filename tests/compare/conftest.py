"""Pairs of pictures, and the page taken apart by a parser that is not ours."""

import base64
import io
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from serpent_cli.compare.pairs import Pair
from serpent_cli.cubes.cube import Cube
from serpent_cli.cubes.files import written

Pixels = NDArray[np.uint8]


class Page(HTMLParser):
    """What a browser would see: facts, copies, title, policy, and all elements in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.facts: list[dict[str, Any]] = []
        self.copies: dict[str, str] = {}
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.open = False
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open = True

    def handle_endtag(self, tag: str) -> None:
        self.open = False

    def handle_data(self, data: str) -> None:
        """Scripts and titles hold text alone, and come in one piece."""
        tag, attributes = self.elements[-1] if self.open else ("", {})
        self.texts[tag] = self.texts.get(tag, "") + data
        if tag == "script" and attributes.get("class") == "pair":
            self.facts.append(json.loads(data))
        elif tag == "script" and (name := attributes.get("id")):
            self.copies[name] = data

    def image(self, name: str) -> Image.Image:
        return opened(self.copies[name])


def opened(address: str) -> Image.Image:
    """Open a data: address."""
    kind, _, text = address.partition(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(text, validate=True)))
    assert kind == f"data:image/{(image.format or '').lower()}"
    return image


@pytest.fixture(scope="session")
def parsed() -> type[Page]:
    return Page


@pytest.fixture(scope="session")
def open_address() -> Callable[[str], Image.Image]:
    return opened


@pytest.fixture(scope="session")
def sharp() -> Pixels:
    """A photograph, uint8 (300, 400, 3)."""
    return np.ascontiguousarray(skimage.data.coffee()[50:350, 100:500])


@pytest.fixture(scope="session")
def blurred(sharp: Pixels) -> Pixels:
    """The same photograph, blurred."""
    return np.asarray(Image.fromarray(sharp).filter(ImageFilter.GaussianBlur(2)))


@pytest.fixture
def pair(tmp_path: Path, sharp: Pixels, blurred: Pixels) -> Pair:
    """The blurred photograph before, the sharp one after."""
    paths = tmp_path / "before" / "cup.png", tmp_path / "after" / "cup.png"
    for path, pixels in zip(paths, (blurred, sharp), strict=True):
        path.parent.mkdir()
        Image.fromarray(pixels).save(path)
    return Pair(*paths)


@pytest.fixture
def cubes(tmp_path: Path) -> Pair:
    """ENVI cubes of 9 bands, 420 to 660 nm, uint16 (9, 30, 40): noisy before, clean after."""
    rows, columns = np.mgrid[:30, :40] / 8
    bands = np.arange(9)[:, None, None]
    clean = 0.5 + 0.4 * np.sin(rows + bands / 4) * np.cos(columns)
    noisy = clean + 0.05 * np.random.default_rng(4).standard_normal(clean.shape)
    paths = tmp_path / "noisy.hdr", tmp_path / "clean.hdr"
    for path, samples in zip(paths, (noisy, clean), strict=True):
        planes = np.rint(np.clip(samples, 0, 1) * 4095).astype(np.uint16)
        cube = Cube(planes, wavelengths=tuple(420.0 + 30 * band for band in range(9)))
        with written(path, cube) as out:
            out[:] = planes
    return Pair(*paths)
