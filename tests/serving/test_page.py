"""The page in a real Chromium: a picture is dropped, and the slider moves between both."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from serpent_cli.serving.crew import Settings
from serpent_cli.serving.guard import LOOPBACK
from serpent_cli.serving.server import Where

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DROP = """
async ([bytes, name]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
  document.getElementById("place").dispatchEvent(
    new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
}
"""


def test_a_picture_is_dropped_restored_and_compared(
    start: Any, make_weights: Any, photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no Chromium is installed; looked for {', '.join(BROWSERS)}")
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    command = (sys.executable, "-m", "serpent_cli.serving.worker")
    served = start(
        where=Where(port=0), hosts=LOOPBACK, command=command, settings=Settings(threads=1)
    )
    picture = tmp_path / "a <b>cup.png"
    Image.fromarray(photo).save(picture)
    args = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    complaints: list[str] = []
    with driver.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=args)
        page = browser.new_page(viewport={"width": 700, "height": 520})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{served.address}/")
        page.evaluate(DROP, [list(picture.read_bytes()), picture.name])
        page.wait_for_selector("iframe", timeout=120_000)
        frame = page.frame_locator("iframe")
        frame.locator("#stage[aria-busy=false]").wait_for(state="attached", timeout=60_000)
        assert page.locator("#message").text_content().startswith("a <b>cup.png: 120 × 96 pixels")
        assert frame.locator("#name").text_content() == "a <b>cup"
        slider = frame.locator("#slider")
        assert slider.get_attribute("aria-valuenow") == "50"
        slider.press("ArrowLeft")
        assert slider.get_attribute("aria-valuenow") == "49"
        with page.expect_download() as saved:
            page.locator("#save").click()
        assert saved.value.suggested_filename.endswith("_restored.png")
        result = np.asarray(Image.open(saved.value.path()))
        assert result.shape == photo.shape
        assert not np.array_equal(result, photo)
        # What is wrong is said as on the command line.
        page.set_input_files("#file", files=[
            {"name": "no.png", "mimeType": "image/png", "buffer": b"no picture"}
        ])  # fmt: skip
        page.wait_for_selector("#message.wrong", timeout=60_000)
        assert "cannot read no.png: it is not a picture" in page.locator("#message").text_content()
        browser.close()
    assert [text for text in complaints if "422" not in text] == []
