"""Draw docs/before-after.png: our example picture blurred, restored and sharp, side by side.

Run after an install: python examples/showcase.py
"""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from serpent_cli import Restorer
from serpent_cli.imaging.read import read_picture

HERE = Path(__file__).resolve().parent
CROP = (20, 30, 320, 330)  # left, top, right, bottom: lettering, edges and texture
GAP, FONT_SIZE = 8, 16


def main() -> None:
    """Restore the blurred example and write the comparison."""
    blurred = read_picture(HERE / "blurred.png")
    restored = Restorer.from_pretrained("deblur").restore(blurred)
    sharp = read_picture(HERE / "sharp.png")
    panels = {"blurred": blurred, "serpent deblur": restored, "original": sharp}
    width, height = CROP[2] - CROP[0], CROP[3] - CROP[1]
    head = FONT_SIZE + GAP
    sheet = Image.new("RGB", (3 * width + 2 * GAP, height + head), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_SIZE)
    for index, (title, picture) in enumerate(panels.items()):
        left = index * (width + GAP)
        sheet.paste(Image.fromarray(picture.pixels).crop(CROP), (left, head))
        draw.text((left, 2), title, fill="black", font=font)
    sheet.save(HERE.parent / "docs" / "before-after.png", optimize=True)


if __name__ == "__main__":
    main()
