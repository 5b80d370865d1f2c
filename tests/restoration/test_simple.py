"""`restore` in one call: any form in, the same form out, the pixels of the command line."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import serpent_cli
from serpent_cli.errors import UsageError
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import read_picture

ROOT = Path(__file__).parent.parent.parent


def test_all_forms_give_the_same_pixels(photo: NDArray[np.uint8], tmp_path: Path) -> None:
    path = tmp_path / "in.png"
    Image.fromarray(photo).save(path)
    expected = serpent_cli.Restorer.from_pretrained("deblur").restore(read_picture(path)).pixels
    assert not np.array_equal(expected, photo)
    of_path, of_array = serpent_cli.restore(path), serpent_cli.restore(photo)
    of_image = serpent_cli.restore(Image.open(path))
    assert isinstance(of_path, Picture)
    assert isinstance(of_array, np.ndarray)
    assert isinstance(of_image, Image.Image)
    for result in (of_path.pixels, of_array, np.asarray(of_image)):
        np.testing.assert_array_equal(result, expected)


def test_tasks_scales_and_models(photo: NDArray[np.uint8]) -> None:
    small = photo[:24, :32]
    assert serpent_cli.restore(small, "upscale", scale=2).shape == (48, 64, 3)
    assert serpent_cli.restore(small, model="upscale-x2", tile="whole").shape == (48, 64, 3)
    with pytest.raises(UsageError, match="no task 'sharpen'"):
        serpent_cli.restore(small, "sharpen")  # pyright: ignore


def test_the_readmes_program_runs(
    photo: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    program = re.search(r"```python\n(.+?)```", text, re.DOTALL)
    assert program
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo).save("in.png")
    names: dict[str, object] = {}
    exec(program[1], names)
    larger = names["larger"]
    assert isinstance(larger, np.ndarray)
    assert larger.shape == (128, 96, 3)
    np.testing.assert_array_equal(np.asarray(Image.open("out.png")),
                                  np.asarray(Image.open("deblurred.png")))  # fmt: skip
