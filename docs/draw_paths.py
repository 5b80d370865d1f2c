"""Draw the paths of the mixers, as the program walks them: docs/mixers.png.

Run from anywhere: python docs/draw_paths.py
"""

from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from serpent_cli.model.mixers.mhs import PATHS, route
from serpent_cli.ops.cross_scan.paths import to_sequence

ROWS, COLUMNS = 4, 5
CELL, MARGIN, CAPTION, SHARP = 22, 16, 40, 4  # pixels; the drawing is made SHARP times as large
INK, JUMP, LAST, DOT = "#1f4e79", "#c9d5e1", "#d1495b", "#2a9d8f"
PANELS = (
    (("row", "ss2d, spatial, mhs Z"), ("col", "ss2d, mhs Z"),
     ("row_snake", "plain, mhs C"), ("col_snake", "plain, mhs C")),
    (("X0", "mhs X"), ("X1", "mhs X, mirrored"), ("S0", "mhs S"), ("S1", "mhs S, upside down")),
    (("lines", "v2m: along, each row anew"), ("across", "v2m: then across"), None, None),
    (("col", "evssm: blocks 0, 4, ..."), ("col_rev", "blocks 1, 5, ..."),
     ("row_rev", "blocks 2, 6, ..."), ("row", "blocks 3, 7, ...")),
)  # fmt: skip


def order(name: str) -> list[tuple[int, int]]:
    """The pixels (row, column) of a path in its order."""
    name = {"lines": "row", "across": "col"}.get(name, name)
    if name[0] in "XS" and name[1:].isdigit():
        assert name[0] not in PATHS
        pixels: Tensor = route(name[0], int(name[1]), ROWS, COLUMNS, torch.device("cpu"))[0]
    else:
        pixels = to_sequence(torch.arange(ROWS * COLUMNS).view(1, ROWS, COLUMNS, 1), name).flatten()
    return [divmod(int(pixel), COLUMNS) for pixel in pixels]


def panel(draw: ImageDraw.ImageDraw, name: str, words: str, left: int, top: int) -> None:
    """One path: steps in ink, jumps pale; green where it begins, red where it ends."""
    places = [
        ((left + (x + 0.5) * CELL) * SHARP, (top + (y + 0.5) * CELL) * SHARP)
        for y, x in order(name)
    ]
    pixels = order(name)
    for i in range(len(places) - 1):
        (y0, x0), (y1, x1) = pixels[i], pixels[i + 1]
        near = max(abs(y1 - y0), abs(x1 - x0)) == 1
        anew = name in ("lines", "across")
        if near or not anew:
            draw.line([places[i], places[i + 1]], INK if near else JUMP, 2 * SHARP)
    for i, (x, y) in enumerate(places):
        ends = {0: DOT, len(places) - 1: LAST}
        size = (4.5 if i in ends else 2) * SHARP
        draw.ellipse([x - size, y - size, x + size, y + size], ends.get(i, INK))
    font = ImageFont.load_default(11 * SHARP)
    draw.text((left * SHARP, (top + ROWS * CELL + 6) * SHARP), words, "#333333", font)


def main() -> None:
    """Draw all panels."""
    wide, high = COLUMNS * CELL + 2 * MARGIN + 24, ROWS * CELL + CAPTION
    size = (4 * wide * SHARP, (len(PANELS) * high + MARGIN) * SHARP)
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    for y, panels in enumerate(PANELS):
        for x, each in enumerate(panels):
            if each:
                panel(draw, *each, left=x * wide + MARGIN, top=y * high + MARGIN)
    small = picture.resize((size[0] // SHARP, size[1] // SHARP), Image.Resampling.LANCZOS)
    small.quantize(64).save(Path(__file__).with_name("mixers.png"), optimize=True)


if __name__ == "__main__":
    main()
