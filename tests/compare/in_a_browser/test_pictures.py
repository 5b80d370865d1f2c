"""What is shown: which pair, how enlarged, on which screen, and nothing that was smuggled in."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from serpent_cli.compare.page_writer import write_page
from serpent_cli.compare.pairs import Pair

Pixels = NDArray[np.uint8]
Show = Callable[..., Any]
PHONE = {"width": 390, "height": 844}


def test_an_enlarged_picture_is_bicubic_or_in_blocks(show: Show, pair: Pair, sharp: Pixels) -> None:
    small = Image.fromarray(sharp).resize((100, 75), Image.Resampling.BICUBIC)
    small.save(pair.before)
    hands = show(pair)
    hands.page.focus("#slider")
    hands.page.keyboard.press("End")
    smooth = np.asarray(small.resize((400, 300), Image.Resampling.BICUBIC))
    assert np.array_equal(hands.seen(), smooth)
    hands.page.click("#nearest")
    assert np.array_equal(hands.seen(), np.repeat(np.repeat(np.asarray(small), 4, 0), 4, 1))
    assert hands.page.get_attribute("#nearest", "aria-pressed") == "true"
    hands.page.keyboard.press("b")
    assert np.array_equal(hands.seen(), smooth)


def test_equal_sizes_have_nothing_to_enlarge(show: Show, pair: Pair) -> None:
    assert not show(pair).page.is_visible("#nearest")


@pytest.fixture
def three(pair: Pair, sharp: Pixels) -> list[Pair]:
    """Three pairs; the second is mirrored, the third is smaller."""
    pairs = [pair]
    changes: dict[str, Callable[[Image.Image], Image.Image]] = {
        "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "small": lambda image: image.crop((0, 0, 80, 60)),
    }
    for name, change in changes.items():
        new = Pair(*(path.with_stem(name) for path in (pair.before, pair.after)))
        change(Image.open(pair.before)).save(new.before)
        change(Image.open(pair.after)).save(new.after)
        pairs.append(new)
    return pairs


def test_pictures_are_chosen_from_the_strip(
    show: Show, three: list[Pair], sharp: Pixels, blurred: Pixels
) -> None:
    hands = show(*three, viewport={"width": 700, "height": 700})
    buttons = hands.page.get_by_role("navigation").get_by_role("button")
    assert buttons.all_inner_texts() == ["cup", "mirrored", "small"]
    buttons.nth(1).click()
    hands.settle()
    assert hands.page.inner_text("#name") == "mirrored"
    assert "mirrored.png" in hands.page.inner_text("#about-before")
    assert [button.get_attribute("aria-current") for button in buttons.all()] == [
        "false", "true", "false",
    ]  # fmt: skip
    seen = hands.seen()
    assert np.array_equal(seen[:, :200], blurred[:, ::-1][:, :200])
    assert np.array_equal(seen[:, 200:], sharp[:, ::-1][:, 200:])
    for key, name in (("n", "small"), ("n", "small"), ("p", "mirrored"), ("p", "cup")):
        hands.page.keyboard.press(key)
        hands.settle()
        assert hands.page.inner_text("#name") == name


def test_the_next_picture_of_the_same_size_shows_the_same_place(
    show: Show, three: list[Pair]
) -> None:
    hands = show(*three)
    hands.page.click("#in")
    hands.page.click("#in")
    hands.drag((100, 200), (160, 230))
    place = hands.transform()
    hands.page.keyboard.press("n")
    hands.settle()
    assert hands.transform() == place
    hands.page.keyboard.press("n")
    hands.settle()
    scale, _, _ = hands.transform()
    assert scale in (2, 3, 4), "a smaller one is shown whole, by a whole number"
    stage, picture = hands.box("#stage"), hands.box()
    assert stage[1] <= picture[1] < picture[3] <= stage[3]


def test_one_pair_needs_no_strip(show: Show, pair: Pair) -> None:
    assert not show(pair).page.is_visible("#strip")


def test_on_a_phone(show: Show, three: list[Pair]) -> None:
    hands = show(*three, viewport=PHONE, device_scale_factor=2, is_mobile=True, has_touch=True)
    width = "() => document.documentElement.scrollWidth"
    assert hands.page.evaluate(width) == PHONE["width"]
    for button in hands.page.get_by_role("toolbar").get_by_role("button").all():
        box = button.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
        assert box["height"] >= 36
    left, top, right, _ = hands.box()
    hands.page.touchscreen.tap(left + (right - left) / 4, top + 50)
    assert hands.percent() == 25
    hands.page.get_by_role("button", name="Difference").tap()
    assert hands.page.evaluate(width) == PHONE["width"]


@pytest.mark.skipif(os.name == "nt", reason="such names are not allowed there")
def test_file_names_stay_text(show: Show, pair: Pair, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)><script>alert(2)<!--&amp;"
    nasty = Pair(*(path.rename(path.with_stem(name)) for path in (pair.before, pair.after)))
    hands = show(nasty)
    assert hands.page.title() == f"{name}: before and after"
    assert hands.page.inner_text("#name") == name
    assert hands.page.inner_text("#about-after").startswith(f"{name}.png · 400")
    assert hands.page.locator("img").count() == 2, "before and after"


def test_the_policy_holds(chromium: Any, pair: Pair, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    write_page([pair], target)
    text = target.read_text(encoding="utf-8")
    intruder = '<img src="file:///none.png"><script>document.title = "taken over"</script>'
    target.write_text(text.replace("<header>", intruder + "<header>"), encoding="utf-8")
    page = chromium.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(target.as_uri())
    page.wait_for_selector("#stage[aria-busy=false]", state="attached")
    assert page.title() == "cup: before and after"
    assert len([text for text in refused if "Content Security Policy" in text]) == 2
    page.close()
