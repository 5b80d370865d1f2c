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
