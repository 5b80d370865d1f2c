"""Two cubes: their colours, and their spectra at the cursor and by keys."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from serpent_cli.compare import page_writer
from serpent_cli.compare.composite import composites
from serpent_cli.compare.pairs import Pair, pair_by_name
from serpent_cli.cubes.cube import Cube
from serpent_cli.cubes.files import read_cube, written

Show = Callable[..., Any]
WIDE = {"width": 900, "height": 620}
PHONE = {"width": 390, "height": 844}
PLACE = re.compile(r"x (\d+), y (\d+)(?:, (.*)° apart)?")


def place(hands: Any) -> tuple[int, int]:
    """The column and the row whose spectra are shown."""
    found = PLACE.fullmatch(hands.page.inner_text("#place"))
    assert found is not None
    return int(found[1]), int(found[2])


def line(hands: Any, name: str) -> NDArray[np.float64]:
    """The points of a line of the chart, (n, 2) in its own units; a break begins a new one."""
    path = hands.page.get_attribute(f"#line-{name}", "d")
    points = re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path)
    return np.array(points, np.float64).reshape(-1, 2)


def text_at(hands: Any, kind: str) -> dict[float, float]:
    """The numbers of an axis, and where they stand on it."""
    script = "(all, at) => all.map(each => [each.textContent, each.getAttribute(at)])"
    texts = hands.page.locator(f"#chart .{kind}")
    return {
        float(text): float(where)
        for text, where in texts.evaluate_all(script, "y" if kind == "up" else "x")
    }


def values(hands: Any, name: str) -> NDArray[np.float64]:
    """What a line says by the numbers beside the chart: (n, 2), along the axis and sample."""
    points = line(hands, name)
    for column, kind in enumerate(("across", "up")):
        known = text_at(hands, kind)
        slope, start = np.polyfit(list(known.values()), list(known), 1)
        points[:, column] = slope * points[:, column] + start
    return points


def under(hands: Any, column: float, row: float) -> tuple[float, float]:
    """Where on the screen a pixel of the cube is."""
    left, top, right, bottom = hands.box()
    return left + (column + 0.5) * (right - left) / 40, top + (row + 0.5) * (bottom - top) / 30


def test_both_are_shown_in_colours(show: Show, cubes: Pair) -> None:
    hands = show(cubes, viewport=WIDE)
    before, after = composites(*map(read_cube, (cubes.before, cubes.after)), (8, 4, 1))
    scale = round(hands.transform()[0])
    hands.show("#spot", "hidden")
    seen = hands.seen()[scale // 2 :: scale, scale // 2 :: scale]
    assert np.array_equal(seen[:, :20], before.pixels[:, :20])
    assert np.array_equal(seen[:, 20:], after.pixels[:, 20:])


@pytest.mark.parametrize("spot", [(3, 7), (0, 0), (39, 29), (20, 11)])
def test_the_spectra_at_the_cursor(show: Show, cubes: Pair, spot: tuple[int, int]) -> None:
    hands = show(cubes, viewport=WIDE)
    assert place(hands) == (20, 15), "the middle, before anybody points"
    hands.page.mouse.move(*under(hands, *spot))
    hands.settle()
    assert place(hands) == spot
    spectra = []
    for name, path in (("before", cubes.before), ("after", cubes.after)):
        spectra.append(read_cube(path).planes[:, spot[1], spot[0]].astype(float))
        shown = values(hands, name)
        assert shown[:, 0] == pytest.approx(np.linspace(420, 660, 9), abs=0.2)
        assert shown[:, 1] == pytest.approx(spectra[-1], abs=max(spectra[-1]) / 1000 + 4)
    a, b = spectra
    angle = np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
    told = PLACE.fullmatch(hands.page.inner_text("#place"))
    assert told is not None and float(told[3]) == pytest.approx(angle, abs=0.01)
    cross, middle = hands.box("#spot"), under(hands, *spot)
    assert (cross[0] + cross[2]) / 2 == pytest.approx(middle[0], abs=0.6)
    assert (cross[1] + cross[3]) / 2 == pytest.approx(middle[1], abs=0.6)


def test_the_place_is_followed_where_the_picture_is_enlarged(show: Show, cubes: Pair) -> None:
    hands = show(cubes, viewport=WIDE)
    hands.page.click("#in")
    hands.page.click("#in")
    hands.drag((200, 300), (140, 260))
    hands.page.mouse.move(*under(hands, 17, 13))
    assert place(hands) == (17, 13)


def test_beside_the_picture_the_last_place_stays(show: Show, cubes: Pair) -> None:
    hands = show(cubes, viewport=WIDE)
    hands.page.mouse.move(*under(hands, 5, 6))
    left, top, _, _ = hands.box("#stage")
    hands.page.mouse.move(left + 1, top + 1)
    assert place(hands) == (5, 6)


def test_keys_move_the_place_and_not_the_slider(show: Show, cubes: Pair) -> None:
    hands = show(cubes, viewport=WIDE)
    hands.page.focus("#slider")
    hands.page.keyboard.press("Tab")
    assert hands.page.evaluate("() => document.activeElement.id") == "panel"
    for key, expected in (
        ("ArrowRight", (21, 15)), ("ArrowDown", (21, 16)), ("ArrowLeft", (20, 16)),
        ("ArrowUp", (20, 15)), ("Shift+ArrowRight", (30, 15)), ("Shift+ArrowRight", (39, 15)),
        ("Shift+ArrowUp", (39, 5)), ("Shift+ArrowUp", (39, 0)), ("ArrowUp", (39, 0)),
    ):  # fmt: skip
        hands.page.keyboard.press(key)
        assert place(hands) == expected, key
    assert hands.percent() == 50
    sample = read_cube(cubes.after).planes[:, 0, 39]
    assert values(hands, "after")[:, 1] == pytest.approx(sample, abs=max(sample) / 1000 + 4)


@pytest.mark.parametrize("means", ["key", "button"])
def test_the_chart_can_be_put_away(show: Show, cubes: Pair, means: str) -> None:
    hands = show(cubes, viewport=WIDE)
    width = hands.box("#stage")[2]
    for pressed in ("false", "true"):
        if means == "key":
            hands.page.keyboard.press("s")
        else:
            hands.page.click("#spectra")
        hands.settle()
        assert hands.page.get_attribute("#spectra", "aria-pressed") == pressed
        assert hands.page.is_visible("#panel") == (pressed == "true")
        assert hands.page.is_visible("#spot") == (pressed == "true")
        assert (hands.box("#stage")[2] == width) == (pressed == "true")


def test_a_legend_tells_the_lines_apart(show: Show, cubes: Pair) -> None:
    hands = show(cubes, viewport=WIDE)
    assert hands.page.inner_text("#legend").split() == ["Before", "After"]
    strokes = [
        hands.page.locator(f"#line-{name}").evaluate(
            "line => [getComputedStyle(line).stroke, getComputedStyle(line).strokeDasharray]"
        )
        for name in ("before", "after")
    ]
    assert strokes[0][0] != strokes[1][0] and strokes[0][1] != strokes[1][1]
    assert hands.page.text_content("#chart .unit") == "nm"
    name = hands.page.get_by_role("img", name=re.compile("x 20, y 15")).get_attribute("id")
    assert name == "chart"


def test_the_figures_of_cubes(show: Show, cubes: Pair) -> None:
    text = show(cubes, viewport=WIDE).page.inner_text("#distance")
    assert re.fullmatch(
        r"MPSNR [\d.]+ dB, SSIM 0\.\d{4}, spectral angle [\d.]+° between the two;"
        r" full scale is [\d.]+",
        text,
    )


def test_without_data_the_line_is_broken(show: Show, cubes: Pair) -> None:
    cube = read_cube(cubes.after)
    planes = cube.planes.astype(np.float32)
    planes[3], planes[:, 2, 2] = np.nan, np.nan
    with written(cubes.after, Cube(planes, wavelengths=cube.wavelengths)) as out:
        out[:] = planes
    hands = show(cubes, viewport=WIDE)
    hands.page.mouse.move(*under(hands, 4, 4))
    path = hands.page.get_attribute("#line-after", "d")
    assert (path.count("M"), len(line(hands, "after"))) == (2, 8)
    hands.page.mouse.move(*under(hands, 2, 2))
    assert hands.page.get_attribute("#line-after", "d") == ""
    assert hands.page.inner_text("#place") == "x 2, y 2"


def test_of_large_cubes_the_nearest_spectrum_is_shown(
    show: Show, cubes: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_writer, "SAMPLES", 2 * 9 * 10 * 14)
    hands = show(cubes, viewport=WIDE)
    for spot, expected in (((0, 0), (1, 1)), ((39, 29), (37, 28)), ((16, 14), (16, 13))):
        hands.page.mouse.move(*under(hands, *spot))
        assert place(hands) == expected
        sample = read_cube(cubes.after).planes[:, expected[1], expected[0]]
        assert values(hands, "after")[:, 1] == pytest.approx(sample, abs=max(sample) / 1000 + 4)


def test_photographs_have_no_spectra(show: Show, cubes: Pair, pair: Pair, tmp_path: Path) -> None:
    hands = show(pair, cubes, viewport=WIDE)
    for key, seen in (("p", False), ("n", True), ("p", False)):
        hands.page.keyboard.press(key)
        hands.settle()
        for part in ("#spectra", "#panel", "#spot", "#keys-spectra"):
            assert hands.page.is_visible(part) == seen, part
    hands.page.keyboard.press("s")
    hands.page.keyboard.press("n")
    hands.settle()
    assert hands.page.is_visible("#panel"), "what is not there cannot be put away"


def test_the_next_cube_shows_the_same_place(show: Show, cubes: Pair) -> None:
    hands = show(cubes, Pair(cubes.after, cubes.before), viewport=WIDE)
    hands.page.mouse.move(*under(hands, 5, 6))
    first = hands.page.get_attribute("#line-before", "d")
    hands.page.keyboard.press("n")
    hands.settle()
    assert place(hands) == (5, 6)
    assert hands.page.get_attribute("#line-after", "d") == first


def test_cubes_of_two_folders_are_chosen_from_the_strip(show: Show, tmp_path: Path) -> None:
    planes = np.random.default_rng(5).random((5, 30, 40), np.float32)
    files = [tmp_path / folder / name for folder in "ba" for name in ("one.hdr", "two.npy")]
    for i, path in enumerate(files):
        path.parent.mkdir(exist_ok=True)
        with written(path, Cube(planes + i)) as samples:
            samples[:] = planes + i
    hands = show(*pair_by_name(files[:2], files[2:]).pairs, viewport=WIDE)
    buttons = hands.page.get_by_role("navigation").get_by_role("button")
    assert buttons.all_inner_texts() == ["one", "two"]
    for i, button in enumerate(buttons.all()):
        button.click()
        hands.settle()
        hands.page.mouse.move(*under(hands, 5, 6))
        for name, more in (("before", i), ("after", i + 2)):
            expected = planes[:, 6, 5] + more
            assert values(hands, name)[:, 1] == pytest.approx(expected, abs=0.02), (i, name)


def test_bands_without_wavelengths_are_counted(show: Show, tmp_path: Path) -> None:
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", np.arange(4 * 30 * 40).reshape(30, 40, 4) % 97 / 10)
    hands = show(Pair(tmp_path / "a.npy", tmp_path / "b.npy"), viewport=WIDE)
    assert hands.page.text_content("#chart .unit") == "band"
    assert next(iter(text_at(hands, "across"))) == 1
    assert values(hands, "before")[:, 0] == pytest.approx([1, 2, 3, 4], abs=0.02)


def test_on_a_phone(show: Show, cubes: Pair) -> None:
    hands = show(cubes, viewport=PHONE, is_mobile=True, has_touch=True)
    assert hands.page.evaluate("() => document.documentElement.scrollWidth") == PHONE["width"]
    stage, panel = hands.box("#stage"), hands.box("#panel")
    assert stage[3] <= panel[1] and panel[3] <= PHONE["height"]
    assert hands.box("#chart")[3] - hands.box("#chart")[1] >= 100
    hands.page.touchscreen.tap(*under(hands, 9, 21))
    assert place(hands) == (9, 21)
