"""Rendered lettering among the crops: letters are what people read first, and miss first."""

import math

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from serpent_cli.degrade.draws import below

LETTERS = "aaabccddeeeeffghhiiijkllmmnnnoooppqrrrsssstttuuvwxyyz"
SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?%&()+-/@#$"
SIZES = 9.0, 72.0  # pixels of a line; small ones are likelier
LINES, WORDS, WORD = 5, 4, 9  # at most: lines of a block, words of a line, signs of a word
BLOCKS = 3  # in one crop, at most
LEAST_CONTRAST = 60  # levels of mean colour between letters and a ground of their own


def with_lettering(crops: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Write on some crops: half of the blocks on the photograph, half on a ground of one colour.

    The font is the one that Pillow carries itself.

    Args:
        crops: uint8 (B, 3, H, W); not changed.
        share: Share of crops that get one to three blocks of text.
        generator: Draws which, where and what, on the CPU.
    """
    if not share:
        return crops
    chosen = (torch.rand(len(crops), generator=generator) < share).nonzero()[:, 0].tolist()
    if not chosen:
        return crops
    crops = crops.clone()
    for index in chosen:
        picture = Image.fromarray(crops[index].permute(1, 2, 0).cpu().contiguous().numpy())
        for _ in range(1 + below(BLOCKS, generator)):
            _write(picture, generator)
        written = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
        crops[index] = written.to(crops.device)
    return crops


def _write(picture: Image.Image, generator: torch.Generator) -> None:
    """One block of text, its middle anywhere in the picture."""
    low, high = (math.log(size) for size in SIZES)
    size = math.exp(low + (high - low) * _uniform(generator) ** 1.5)
    lines = [_line(generator) for _ in range(1 + below(LINES, generator))]
    letters, ground = _colours(generator)
    font, text = ImageFont.load_default(size), "\n".join(lines)
    left, top, right, bottom = ImageDraw.Draw(picture).multiline_textbbox((0, 0), text, font)
    rim = round(size / 3)
    width, height = (round(side) + 2 * rim for side in (right - left, bottom - top))
    # A block that is wider than the picture is cut: what is written beyond it is not seen.
    width, height = min(width, 2 * picture.width), min(height, 2 * picture.height)
    ink = Image.new("L", (width, height))
    ImageDraw.Draw(ink).multiline_text((rim - left, rim - top), text, 255, font)
    paper = Image.new("L", (width, height), 255 if below(2, generator) else 0)
    angle = _angle(generator)
    place = [below(side, generator) for side in picture.size]
    for mask, colour in ((paper, ground), (ink, letters)):
        turned = mask.rotate(angle, Image.Resampling.BICUBIC, expand=True) if angle else mask
        corner = place[0] - turned.width // 2, place[1] - turned.height // 2
        picture.paste(colour, corner, turned)


def _line(generator: torch.Generator) -> str:
    words: list[str] = []
    for _ in range(1 + below(WORDS, generator)):
        kind, length = below(4, generator), 1 + below(WORD, generator)
        signs = SIGNS if kind == 0 else LETTERS
        word = "".join(signs[below(len(signs), generator)] for _ in range(length))
        words.append(word.capitalize() if kind == 1 else word.upper() if kind == 2 else word)
    return " ".join(words)


def _angle(generator: torch.Generator) -> float:
    """Degrees: half of all text is level, much of the rest nearly so."""
    kind = below(4, generator)
    if kind < 2:
        return 0.0
    return (2 * _uniform(generator) - 1) * (12 if kind == 2 else 180)


def _colours(generator: torch.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of letters and their ground; often black and white, always apart."""
    if below(3, generator) == 0:
        black, white = (0, 0, 0), (255, 255, 255)
        return (black, white) if below(2, generator) else (white, black)
    while True:
        first, second = (
            tuple(torch.randint(256, (3,), generator=generator).tolist()) for _ in range(2)
        )
        if abs(sum(first) - sum(second)) >= 3 * LEAST_CONTRAST:
            return first, second


def _uniform(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))
