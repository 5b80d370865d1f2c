"""The boundary between before and after: where it is, and who moves it."""

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from serpent_cli.compare.pairs import Pair

Pixels = NDArray[np.uint8]
Show = Callable[..., Any]


def test_left_is_before_and_right_is_after(
    show: Show, pair: Pair, sharp: Pixels, blurred: Pixels
) -> None:
    hands = show(pair)
    assert hands.page.title() == "cup: before and after"
    assert hands.transform()[0] == 1
    seen = hands.seen()
    assert np.array_equal(seen[:, :200], blurred[:, :200])
    assert np.array_equal(seen[:, 200:], sharp[:, 200:])
    assert hands.percent() == 50
    assert hands.page.get_attribute("#slider", "aria-valuetext") == "50 % before, 50 % after"
    assert hands.page.get_by_role("slider").count() == 1


@pytest.mark.parametrize("percent", [0, 3, 25, 80, 100])
def test_the_handle_follows_the_mouse(
    show: Show, pair: Pair, sharp: Pixels, blurred: Pixels, percent: int
) -> None:
    hands = show(pair)
    left, top, _, _ = hands.box()
    hands.drag((hands.boundary(), top + 40), (left + 4 * percent, top + 90))
    assert hands.percent() == percent
    assert hands.boundary() == left + 4 * percent
    seen = hands.seen()
    assert np.array_equal(seen[:, : 4 * percent], blurred[:, : 4 * percent])
    assert np.array_equal(seen[:, 4 * percent :], sharp[:, 4 * percent :])


def test_the_handle_stays_within_the_picture(show: Show, pair: Pair) -> None:
    hands = show(pair)
    _, top, right, _ = hands.box()
    hands.drag((hands.boundary(), top + 40), (right + 90, top))
    assert (hands.percent(), hands.boundary()) == (100, right)


def test_a_click_on_the_picture_brings_the_handle(show: Show, pair: Pair) -> None:
    hands = show(pair)
    left, top, _, _ = hands.box()
    hands.page.mouse.click(left + 100, top + 100)
    assert hands.percent() == 25
    hands.page.keyboard.press("ArrowRight")
    assert hands.percent() == 26, "and gives it the keys"


def test_the_handle_follows_the_keys(show: Show, pair: Pair) -> None:
    hands = show(pair)
    hands.page.focus("#slider")
    for key, percent in (
        ("ArrowLeft", 49), ("ArrowDown", 48), ("ArrowRight", 49), ("ArrowUp", 50),
        ("Shift+ArrowLeft", 40), ("PageUp", 50), ("PageDown", 40), ("End", 100),
        ("ArrowRight", 100), ("Home", 0), ("ArrowLeft", 0),
    ):  # fmt: skip
        hands.page.keyboard.press(key)
        assert hands.percent() == percent, key
        assert hands.boundary() == hands.box()[0] + 4 * percent


@pytest.mark.parametrize("means", ["key", "button"])
def test_holding_shows_before_everywhere(
    show: Show, pair: Pair, sharp: Pixels, blurred: Pixels, means: str
) -> None:
    hands = show(pair)
    if means == "key":
        hands.page.keyboard.down(" ")
    else:
        hands.page.hover("#hold")
        hands.page.mouse.down()
    assert np.array_equal(hands.seen(), blurred)
    assert hands.page.get_attribute("#hold", "aria-pressed") == "true"
    if means == "key":
        hands.page.keyboard.up(" ")
    else:
        hands.page.mouse.up()
    assert np.array_equal(hands.seen()[:, 200:], sharp[:, 200:])
    assert hands.page.get_attribute("#hold", "aria-pressed") == "false"


def test_the_difference_is_amplified(
    show: Show, pair: Pair, sharp: Pixels, blurred: Pixels
) -> None:
    hands = show(pair)
    hands.page.keyboard.press("d")
    assert hands.page.get_attribute("#difference", "aria-pressed") == "true"
    apart = np.abs(sharp.astype(int) - blurred)
    assert np.abs(hands.seen("#canvas") - np.minimum(255, 8 * apart)).max() <= 1
    hands.page.fill("#gain input", "0")
    assert np.array_equal(hands.seen("#canvas"), apart)
    hands.page.keyboard.press("Tab")
    hands.page.click("#difference")
    assert np.array_equal(hands.seen()[:, 200:], sharp[:, 200:])


def test_equal_pictures_do_not_differ_however_transparent(
    show: Show, pair: Pair, sharp: Pixels
) -> None:
    Image.fromarray(np.dstack([sharp, sharp[..., 0]])).save(pair.before)
    shutil.copy(pair.before, pair.after)
    hands = show(pair)
    hands.page.click("#difference")
    assert hands.seen("#canvas").max() == 0
