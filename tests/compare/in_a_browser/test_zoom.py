"""Looking closer: wheel, buttons, keys, dragging, fingers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from serpent_cli.compare.pairs import Pair

Pixels = NDArray[np.uint8]
Show = Callable[..., Any]
PHONE = {"width": 390, "height": 844}


def test_the_wheel_zooms_around_the_cursor(show: Show, pair: Pair) -> None:
    hands = show(pair)
    hands.page.click("#in")
    hands.page.click("#in")
    point = 250, 220
    hands.page.mouse.move(*point)
    corner = hands.box()
    under = [(point[axis] - corner[axis]) / 4 for axis in (0, 1)]
    scale = 4.0
    for delta in (-150, -250, -300, 200):
        hands.page.mouse.wheel(0, delta)
        scale *= np.exp(-0.002 * delta)
        hands.settle()
        assert hands.transform()[0] == pytest.approx(scale, rel=1e-4)
        corner = hands.box()
        for axis in (0, 1):
            assert (point[axis] - corner[axis]) / scale == pytest.approx(under[axis], abs=0.3)
    assert hands.page.inner_text("#level") == f"{round(scale * 100)} %"


def test_zoomed_in_pixels_are_squares(show: Show, pair: Pair, sharp: Pixels) -> None:
    hands = show(pair)
    hands.page.focus("#slider")
    hands.page.keyboard.press("Home")
    assert hands.rendering() == "auto"
    hands.page.keyboard.press("+")
    hands.page.keyboard.press("+")
    scale, x, y = hands.transform()
    assert (scale, hands.rendering()) == (4, "pixelated")
    stage = hands.box("#stage")
    screen = hands.screen()
    large = np.repeat(np.repeat(sharp, 4, 0), 4, 1)
    # A part without handle and tags.
    row, column = int(stage[1]) + 60, int(stage[0]) + 60
    shown = screen[row : row + 200, column : column + 300]
    top, left = row - int(stage[1] + y), column - int(stage[0] + x)
    assert np.array_equal(shown, large[top : top + 200, left : left + 300])


def test_zooming_by_buttons_and_keys(show: Show, pair: Pair) -> None:
    hands = show(pair)
    for press, scale in (("#in", 2), ("#in", 4), ("#out", 2), ("#level", 1), ("#out", 1)):
        hands.page.click(press)
        assert hands.transform()[0] == scale, press
    for key, scale in (("+", 2), ("=", 4), ("-", 2), ("+", 4), ("1", 1), ("+", 2), ("0", 1)):
        hands.page.keyboard.press(key)
        assert hands.transform()[0] == scale, key
    for _ in range(9):
        hands.page.keyboard.press("+")
    assert hands.transform()[0] == 32
    hands.page.click("#fit")
    assert hands.transform()[0] == 1


def test_a_large_picture_is_shown_whole(show: Show, pair: Pair) -> None:
    for path in (pair.before, pair.after):
        Image.open(path).resize((1600, 1200)).save(path)
    hands = show(pair)
    stage, picture = hands.box("#stage"), hands.box()
    assert all(picture[i] >= stage[i] - 1 for i in (0, 1))
    assert all(picture[i] <= stage[i] + 1 for i in (2, 3))
    fit = hands.transform()[0]
    hands.page.keyboard.press("1")
    assert hands.transform()[0] == 1
    hands.page.set_viewport_size({"width": 500, "height": 500})
    hands.settle()
    assert hands.transform()[0] == 1, "a chosen zoom stays"
    hands.page.keyboard.press("0")
    assert hands.transform()[0] < fit


def test_a_zoomed_picture_is_dragged_and_the_handle_stays(show: Show, pair: Pair) -> None:
    hands = show(pair)
    hands.page.click("#in")
    hands.page.click("#in")
    scale, x, y = hands.transform()
    hands.drag((150, 200), (110, 230))
    assert hands.transform() == (scale, x - 40, y + 30)
    assert hands.percent() == 50
    middle = hands.boundary()
    hands.drag((middle, 200), (middle - 70, 200))
    assert hands.transform() == (scale, x - 40, y + 30), "the handle is dragged alone"
    assert hands.boundary() == pytest.approx(middle - 70, abs=1)
    hands.drag((100, 200), (699, 500))
    hands.drag((100, 200), (699, 500))
    hands.drag((100, 200), (699, 500))
    assert hands.transform() == (scale, 0, 0), "no further than its corner"


def test_fingers_drag_and_pinch(show: Show, pair: Pair) -> None:
    hands = show(pair, viewport=PHONE, is_mobile=True, has_touch=True)
    fingers = hands.page.context.new_cdp_session(hands.page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        spots = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        fingers.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": spots})

    left, top, right, bottom = hands.box()
    y = (top + bottom) / 2
    touch("Start", (hands.boundary(), y))
    touch("Move", (left + (right - left) * 0.8, y))
    touch("End")
    assert hands.percent() == 80
    scale = hands.transform()[0]
    touch("Start", (150, y))
    touch("Start", (150, y), (250, y))
    touch("Move", (100, y), (300, y))
    touch("End")
    assert hands.transform()[0] == pytest.approx(2 * scale, rel=0.05)
    _, x, _ = hands.transform()
    touch("Start", (100, y))
    touch("Move", (80, y))
    touch("End")
    assert hands.transform()[1] == x - 20
