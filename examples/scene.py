"""A picture of our own to blur: lettering, edges, textures, gradients and a resolution star.

Everything is drawn `FINE` times too large and reduced at the end, so that edges are antialiased.
Coordinates and sizes are in pixels of the finished picture unless a name says `fine`.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Floats = NDArray[np.floating]
Colour = tuple[int, int, int]

WIDTH, HEIGHT, FINE = 640, 448, 4

INK: Colour = (24, 26, 44)
PAPER: Colour = (246, 240, 226)
GOLD: Colour = (255, 214, 110)
SKY: tuple[tuple[float, Colour], ...] = (
    (0, (28, 32, 84)), (110, (104, 64, 128)), (200, (226, 112, 106)), (290, (255, 210, 150)),
)  # fmt: skip
# Height of the crest, its swing, its colour; the farthest first.
RIDGES: tuple[tuple[float, float, Colour], ...] = (
    (236, 70, (150, 92, 132)),
    (272, 60, (92, 70, 116)),
    (300, 34, (44, 62, 82)),
    (330, 12, (46, 74, 58)),
)
PATCHES: tuple[Colour, ...] = (
    (196, 48, 52), (240, 150, 44), (248, 226, 80), (70, 160, 76), (48, 128, 196), (112, 74, 160),
    (236, 236, 236), (160, 160, 160), (92, 92, 92), (28, 28, 28),
)  # fmt: skip


def draw_scene() -> Image.Image:
    """The whole picture, `FINE` times too large."""
    image = Image.fromarray(_landscape().round().astype(np.uint8))
    draw = ImageDraw.Draw(image)
    _meadow(draw)
    _star_chart(draw, 534, 108, radius=86)
    _lettering(draw)
    _serpent(draw)
    _gratings(draw, 432, 392)
    _patches(draw, 28, 408, side=30)
    return image


def _octaves(rng: np.random.RandomState, height: int, width: int, cells: Sequence[int]) -> Floats:
    """Fractal noise (height, width) in about [-1, 1]; `cells` are the sides of its grains."""
    total = np.zeros((height, width), np.float32)
    for cell in cells:
        grid = rng.random_sample((height // cell + 2, width // cell + 2)).astype(np.float32)
        box = (0.5, 0.5, 0.5 + width / cell, 0.5 + height / cell)
        fine = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC, box)
        total += (np.asarray(fine) * 2 - 1) * (cell / cells[0]) ** 0.8
    return total / sum((cell / cells[0]) ** 0.8 for cell in cells[:2])


def _landscape() -> Floats:
    """A sky at dusk above ridges and a meadow, (H, W, 3) in [0, 255]."""
    rng = np.random.RandomState(11)
    height, width = HEIGHT * FINE, WIDTH * FINE
    rows = ((np.arange(height) + 0.5) / FINE)[:, None]
    stops = [stop for stop, _ in SKY]
    bands = [np.interp(rows[:, 0], stops, [colour[c] for _, colour in SKY]) for c in range(3)]
    clouds = _octaves(rng, height, width // 4, (30 * FINE, 14 * FINE, 6 * FINE, 3 * FINE))
    clouds = clouds.repeat(4, axis=1)  # drawn out along the horizon
    picture = np.stack(bands, -1)[:, None] + 24 * clouds[..., None] * np.array([1.2, 0.8, 0.6])
    grain = _octaves(rng, height, width, (10 * FINE, 5 * FINE, 3 * FINE, 2 * FINE))
    for crest, swing, colour in RIDGES:
        profile = _octaves(rng, 1, width, [size * FINE for size in (160, 70, 28, 9, 3)])
        inside = rows > crest - swing * profile
        light = (1 + 0.28 * grain) * (1.1 - 0.004 * np.clip(rows - crest, 0, 100))
        picture = np.where(inside[..., None], light[..., None] * np.array(colour), picture)
    return np.clip(picture, 0, 255)


def _fine(*values: float) -> list[float]:
    return [value * FINE for value in values]


def _text(draw: ImageDraw.ImageDraw, x: float, y: float, words: str, size: float) -> None:
    font = ImageFont.load_default(size * FINE)
    draw.text((x * FINE, y * FINE), words, fill=PAPER, font=font, anchor="ls")


def _lettering(draw: ImageDraw.ImageDraw) -> None:
    """A title, and lines that become smaller."""
    font = ImageFont.load_default(74 * FINE)
    draw.text((26 * FINE, 88 * FINE), "Serpent", fill=GOLD, font=font, anchor="ls")
    for y, size, words in (
        (118, 20, "blurred pictures, read line by line"),
        (140, 15, "forwards, backwards, down and up again"),
        (157, 11.5, "a state moves over the map and remembers what it saw"),
        (170, 8.5, "the smaller the letters, the sooner blur takes them away: 0123456789"),
    ):
        _text(draw, 29, y, words, size)


def _star_chart(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float) -> None:
    """A Siemens star with 36 spokes on a paper disk, rings around it."""
    rings = ((8.0, PAPER), (5.5, INK), (3.5, PAPER), (0.0, PAPER))
    for extra, colour in rings:
        side = radius + extra
        draw.ellipse(_fine(x - side, y - side, x + side, y + side), fill=colour)
    reach = radius - 3
    for spoke in range(36):
        ends = [math.radians(spoke * 10 + side * 2.5) for side in (-1, 1)]
        rim = [((x + reach * math.cos(a)) * FINE, (y + reach * math.sin(a)) * FINE) for a in ends]
        draw.polygon([(x * FINE, y * FINE), *rim], fill=INK)
    draw.ellipse(_fine(x - 4, y - 4, x + 4, y + 4), fill=(196, 48, 52))


def _spine(t: float) -> tuple[float, float, float]:
    """Centre and half width of the serpent; t from 0 (tail) to 1 (head)."""
    x = 40 + 520 * t - 16 * math.sin(4 * math.pi * t)
    y = 322 - 34 * math.sin(5.2 * math.pi * t + 0.4) * (1 - 0.35 * t) - 26 * t**3
    return x, y, 19 * min(1.0, 2.2 * t + 0.03) * (1 - 0.35 * max(0.0, t - 0.75) / 0.25)


def _scale_colour(t: float, v: float) -> Colour:
    """Colour of the skin at t along and v in [-1, 1] across: diamonds, lit from above."""
    lattice = (abs((t * 30 + v * 0.9) % 1 - 0.5), abs((t * 30 - v * 0.9) % 1 - 0.5))
    edge = min(lattice) < 0.07
    mark = max(lattice) > 0.36 and min(lattice) > 0.24
    base = np.array([44, 132, 96]) * (1 - t) + np.array([150, 178, 62]) * t
    if mark:
        base = np.array([250, 214, 106])
    light = 0.45 + 0.75 * math.sqrt(max(0.0, 1 - (v + 0.35) ** 2 / 1.9))
    red, green, blue = (int(min(255, c * light * (0.62 if edge else 1))) for c in base)
    return red, green, blue


def _serpent(draw: ImageDraw.ImageDraw) -> None:
    """The animal, in small quadrilaterals along and across its spine."""
    along, across = 900, 26
    sides: list[list[tuple[float, float]]] = []
    for i in range(along + 1):
        x, y, half = _spine(i / along)
        ahead, behind = _spine((i + 0.5) / along), _spine((i - 0.5) / along)
        dx, dy = ahead[0] - behind[0], ahead[1] - behind[1]
        reach = half * FINE / math.hypot(dx, dy)
        places = [2 * j / across - 1 for j in range(across + 1)]
        sides.append([(x * FINE - dy * reach * v, y * FINE + dx * reach * v) for v in places])
    for i in range(along):
        for j in range(across):
            corners = [sides[i][j], sides[i + 1][j], sides[i + 1][j + 1], sides[i][j + 1]]
            draw.polygon(corners, fill=_scale_colour(i / along, 2 * (j + 0.5) / across - 1))
    _head(draw, *_spine(1.0)[:2])


def _head(draw: ImageDraw.ImageDraw, x: float, y: float) -> None:
    for end in ((64, -16), (66, -5)):
        tongue = [(x + 36, y - 5), (x + 54, y - 9), (x + end[0], y + end[1])]
        draw.line([(a * FINE, b * FINE) for a, b in tongue], fill=(226, 60, 66), width=2 * FINE)
    draw.ellipse(_fine(x - 16, y - 19, x + 24, y + 15), fill=(146, 172, 62))
    draw.ellipse(_fine(x - 4, y - 17, x + 42, y + 11), fill=(162, 188, 70))
    draw.arc(_fine(x + 2, y - 16, x + 40, y + 8), 12, 88, fill=(62, 88, 40), width=2 * FINE)
    draw.ellipse(_fine(x + 12, y - 14, x + 25, y - 1), fill=GOLD)
    draw.ellipse(_fine(x + 17, y - 13, x + 21, y - 2), fill=INK)
    draw.ellipse(_fine(x + 35, y - 8, x + 37.5, y - 5.5), fill=(62, 88, 40))


def _meadow(draw: ImageDraw.ImageDraw) -> None:
    """Blades of grass, the nearer the longer and lighter."""
    rng = np.random.RandomState(5)
    blades = rng.random_sample((2600, 4))
    for across, depth, lean, light in blades[np.argsort(blades[:, 1])].tolist():
        x, y = across * WIDTH, 338 + 122 * depth
        tall = 6 + 13 * depth
        tint = 0.55 + 0.3 * depth + 0.5 * light**2
        fill = (int(66 * tint), int(112 * tint), int(70 * tint))
        draw.line(_fine(x, y, x + 8 * (lean - 0.5), y - tall), fill=fill, width=5)


def _gratings(draw: ImageDraw.ImageDraw, x: float, y: float) -> None:
    """Line pairs, each group finer: 6, 4, 3 and 2 pixels a line; upright, then level."""
    draw.rounded_rectangle(_fine(x - 8, y - 8, x + 184, y + 44), 5 * FINE, fill=PAPER)
    for line in (6, 4, 3, 2):
        for step in range(0, 36, 2 * line):
            draw.rectangle(_box(x + step, y, line, 16), fill=INK)
        for step in range(0, 18, 2 * line):
            draw.rectangle(_box(x, y + 20 + step, 36, line), fill=INK)
        x += 47


def _patches(draw: ImageDraw.ImageDraw, x: float, y: float, side: float) -> None:
    """Coloured and grey squares on paper: edges of every contrast."""
    width = (side + 3) * len(PATCHES) - 3
    draw.rectangle(_fine(x - 4, y - 4, x + width + 4, y + side - 6), fill=PAPER)
    for place, colour in enumerate(PATCHES):
        draw.rectangle(_box(x + place * (side + 3), y, side, side - 10), fill=colour)


def _box(x: float, y: float, width: float, height: float) -> list[float]:
    """A rectangle whose right and lower edges belong to it, as Pillow counts."""
    left, top, right, bottom = _fine(x, y, x + width, y + height)
    return [left, top, right - 1, bottom - 1]
