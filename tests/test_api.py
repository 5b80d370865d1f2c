"""`restore` in one call: any form in, the same form out, the pixels of the command line."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import serpent_cli
from serpent_cli import Restorer, load, read_picture, restore, write_picture
from serpent_cli.errors import UsageError
from serpent_cli.imaging.picture import Picture

ROOT = Path(__file__).parent.parent


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


def test_a_picture_is_read_restored_and_written(
    make_weights: Callable[..., Path], photo_file: Path, tmp_path: Path
) -> None:
    restorer = load(str(make_weights()), tile="whole")
    assert isinstance(restorer, Restorer)
    restored = restorer(read_picture(photo_file))
    assert isinstance(restored, Picture)
    assert write_picture(restored, tmp_path / "out.png") == ()
    np.testing.assert_array_equal(read_picture(tmp_path / "out.png").pixels, restored.pixels)


def test_public_names_are_those_that_are_documented() -> None:
    assert {"load", "read_picture", "restore", "write_picture"} <= set(serpent_cli.__all__)
    for name in serpent_cli.__all__:
        assert getattr(serpent_cli, name) is not None


def test_tasks_scales_and_models(photo: NDArray[np.uint8]) -> None:
    small = photo[:24, :32]
    assert serpent_cli.restore(small, "upscale", scale=2).shape == (48, 64, 3)
    assert serpent_cli.restore(small, model="upscale-x2", tile="whole").shape == (48, 64, 3)
    with pytest.raises(UsageError, match="no task 'sharpen'"):
        serpent_cli.restore(small, "sharpen")  # pyright: ignore


@pytest.mark.usefixtures("style_shelf")
def test_styles(photo: NDArray[np.uint8]) -> None:
    small = photo[:24, :32]
    crisp, plain = (restore(small, "upscale", scale=4, style=s) for s in ("crisp", "natural"))
    assert crisp.shape == (96, 128, 3)
    assert not np.array_equal(crisp, plain)
    np.testing.assert_array_equal(crisp, restore(small, model="upscale-x4-crisp"))
    np.testing.assert_array_equal(plain, restore(small, "upscale", scale=4))
    wrong: list[dict[str, Any]] = [
        {"task": "upscale", "style": "crisp", "scale": 8}, {"task": "upscale", "style": "nice"},
        {"task": "upscale", "style": "crisp", "model": "upscale-x4"}, {"style": "crisp"},
    ]  # fmt: skip
    for arguments in wrong:
        with pytest.raises(UsageError, match="style"):
            restore(small, **arguments)


def test_the_readmes_program_runs(
    photo: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    program = re.search(r"```python\n(.+?)```", text, re.DOTALL)
    assert program
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo).save("photo.jpg", quality=95)
    names: dict[str, object] = {}
    exec(program[1], names)
    larger = names["larger"]
    assert isinstance(larger, np.ndarray)
    assert larger.shape == (128, 96, 3)
    np.testing.assert_array_equal(np.asarray(Image.open("from-python.png")),
                                  np.asarray(Image.open("with-metadata.png")))  # fmt: skip


def test_arguments_are_checked_as_on_the_command_line(
    make_weights: Callable[..., Path], photo: NDArray[np.uint8]
) -> None:
    weights, small = str(make_weights()), photo[:8, :8]
    assert restore(small, model=weights, max_memory="2G").shape == small.shape
    assert Restorer.from_pretrained(weights, max_memory="800M").budget == 800 * 2**20
    wrong: list[dict[str, Any]] = [
        {"scale": 4}, {"strength": 2}, {"strength": -0.1}, {"strength": float("nan")},
        {"strength": "1"}, {"max_memory": "lots"}, {"max_memory": -1}, {"max_memory": 1.5},
        {"max_vram": "x"}, {"tile": "wide"}, {"tile": 0}, {"tile": 2.5},
        {"task": "upscale", "scale": 4},
    ]  # fmt: skip
    for arguments in wrong:
        with pytest.raises(UsageError):
            restore(small, model=weights, **arguments)


def test_arrays_that_cannot_be_written_are_no_reason_to_warn(
    make_weights: Callable[..., Path], photo: NDArray[np.uint8]
) -> None:
    weights = str(make_weights())
    for pixels in (photo[:16, :16].copy(), photo[:16, :16].astype(np.float32) / 255):
        pixels.setflags(write=False)
        code = (
            "import sys, warnings, numpy as np\nwarnings.simplefilter('error')\n"
            "from serpent_cli import restore\n"
            f"pixels = np.zeros((16, 16, 3), {str(pixels.dtype)!r})\n"
            "pixels.setflags(write=False)\nrestore(pixels, model=sys.argv[1])"
        )
        done = subprocess.run([sys.executable, "-c", code, weights], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
