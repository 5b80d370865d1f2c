"""The page in a real Chromium, from file://, with real hands: mouse, wheel, keys, fingers."""

import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from serpent_cli.compare.cube_pair import CubeReading
from serpent_cli.compare.page_writer import write_page
from serpent_cli.compare.pairs import Pair

Pixels = NDArray[np.uint8]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The picture, 400 x 300, is smaller than the stage at these sizes and larger when zoomed.
WINDOW = {"width": 700, "height": 520}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no Chromium is installed; looked for {', '.join(BROWSERS)}")
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    args = ["--force-color-profile=srgb"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        args.append("--no-sandbox")  # Chromium refuses to run as root with one
    with driver.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=args)
        yield browser
        browser.close()


class Hands:
    """A page on a screen, and what can be seen and done there."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.settle()

    def settle(self) -> None:
        self.page.wait_for_selector("#stage[aria-busy=false]", state="attached")
        # What was drawn is on the screen two frames later; tags have faded by then.
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def box(self, selector: str = "#after img") -> tuple[float, float, float, float]:
        """Left, top, right and bottom on the screen."""
        box = self.page.locator(selector).bounding_box()
        return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]

    def screen(self) -> Pixels:
        self.settle()
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"))

    def seen(self, selector: str = "#after img") -> Pixels:
        """The part of the screen where the picture is, without what floats above it."""
        self.show("#slider, .tag", "hidden")
        # Chromium may leave a pixel of a round edge behind: the whole stage is painted anew.
        for visibility in ("hidden", ""):
            self.show("#stage", visibility)
            self.settle()
        left, top, right, bottom = (round(value) for value in self.box(selector))
        pixels = self.screen()[max(0, top) : bottom, max(0, left) : right]
        self.show("#slider, .tag", "")
        return pixels

    def show(self, selector: str, visibility: str) -> None:
        script = "(all, value) => all.forEach(each => (each.style.visibility = value))"
        self.page.locator(selector).evaluate_all(script, visibility)

    def percent(self) -> int:
        return int(self.page.get_attribute("#slider", "aria-valuenow"))

    def boundary(self) -> float:
        """Where before ends on the screen."""
        left, _, right, _ = self.box("#slider")
        return (left + right) / 2

    def transform(self) -> tuple[float, float, float]:
        """Scale, x and y of the picture, as the browser computed them."""
        values = {
            self.page.locator(f"{side} img").evaluate("image => getComputedStyle(image).transform")
            for side in ("#before", "#after")
        }
        assert len(values) == 1, "both pictures lie on each other"
        scale, skew, _, same, x, y = map(float, re.findall(r"[-\d.e]+", values.pop()))
        assert (skew, same) == (0, scale)
        return scale, x, y

    def rendering(self) -> str:
        style = "image => getComputedStyle(image).imageRendering"
        return self.page.locator("#after img").evaluate(style)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(*((a + b) / 2 for a, b in zip(start, end, strict=True)))
        self.page.mouse.move(*end)
        self.page.mouse.up()
        self.settle()


Show = Callable[..., Hands]


@pytest.fixture
def show(chromium: Any, tmp_path: Path) -> Iterator[Show]:
    """Write a page, open it, and see to it that it asked for nothing and complained of nothing."""
    contexts: list[Any] = []
    asked: list[str] = []
    complaints: list[str] = []
    target = tmp_path / "report.html"

    def open_page(*pairs: Pair, viewport: dict[str, int] = WINDOW, **options: Any) -> Hands:
        write_page(pairs, target, reading=CubeReading())
        contexts.append(chromium.new_context(viewport=viewport, **options))
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(target.as_uri())
        return Hands(page)

    yield open_page
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith("data:")] == [target.as_uri()]
    assert complaints == []
