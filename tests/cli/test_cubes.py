"""`serpent denoise` and `serpent reconstruct`: files in, files out, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import tifffile
import torch
from PIL import Image

from serpent_cli.cubes.cube import Cube
from serpent_cli.cubes.files import read_cube, written
from serpent_cli.degrade.cassi import measure
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.zoo.checkpoint import save_weights

Serpent = Callable[..., Any]
NANOMETRES = tuple(500.0 + 5 * band for band in range(9))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network for six axes that changes nothing."""
    config = ModelConfig(widths=(8, 8, 8, 8), channels=6)
    path = tmp_path_factory.mktemp("weights") / "cubes.safetensors"
    save_weights(build_model(config).state_dict(), config, path)
    return path


@pytest.fixture
def planes() -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Without noise: what is denoised stays nearly what it is."""
    rows, columns = np.mgrid[:40, :50]
    bands = np.arange(9)[:, None, None]
    cube = np.sin(rows / 5) * np.cos(columns / 6) * (1 - bands / 20) + np.cos(rows / 7) * bands / 20
    return np.rint(2048 + 1600 * cube).astype(np.uint16)


def save(path: Path, planes: Any, **facts: Any) -> Path:
    with written(path, Cube(planes, **facts)) as out:
        out[:] = planes
    return path


@pytest.mark.parametrize("name", ["a.tif", "a.hdr", "a.npy", "a.mat"])
def test_denoise_writes_beside_its_input(
    name: str, serpent: Serpent, weights: Path, planes: Any, tmp_path: Path
) -> None:
    save(tmp_path / name, planes, wavelengths=NANOMETRES, nodata=7)
    outcome = serpent("denoise", tmp_path / name, "--model", weights, "--tile", 64, "--quiet")
    goal = tmp_path / name.replace("a.", "a_denoised.")
    assert outcome.code == 0 and outcome.out == [str(goal)]
    again = read_cube(goal)
    np.testing.assert_allclose(again.planes.astype(float), planes, atol=20)
    assert again.planes.dtype == np.uint16
    if name != "a.npy":
        assert again.wavelengths == NANOMETRES


def test_denoise_tells_what_it_did(
    serpent: Serpent, weights: Path, planes: Any, tmp_path: Path
) -> None:
    source = save(tmp_path / "a.npy", planes)
    goal = tmp_path / "b.tif"
    outcome = serpent("denoise", source, "-o", goal, "--model", weights, "--json", "--white", 4096)
    record = json.loads(outcome.out[0])
    assert (record["bands"], record["height"], record["width"]) == (9, 40, 50)
    assert (record["output"], record["white"], record["model"]) == (str(goal), 4096, "cubes")
    assert "the last axis is taken for the bands" in " ".join(outcome.err)


def test_several_cubes_go_into_a_folder(
    serpent: Serpent, weights: Path, planes: Any, tmp_path: Path
) -> None:
    sources = [save(tmp_path / name, planes) for name in ("a.npy", "b.tif")]
    (tmp_path / "out").mkdir()
    outcome = serpent("denoise", *sources, "-o", tmp_path / "out", "--model", weights, "-q")
    assert outcome.code == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a.npy", "b.tif"}


def test_nothing_is_replaced_without_force(
    serpent: Serpent, weights: Path, planes: Any, tmp_path: Path
) -> None:
    source = save(tmp_path / "a.npy", planes)
    terms = ("denoise", source, "--model", weights, "-q")
    assert serpent(*terms).code == 0
    serpent(*terms).failed(2, "is there already")
    assert serpent(*terms, "--force").code == 0
    serpent(*terms, "-o", source, "--force").failed(2, "is read and would be written")
    serpent(*terms, "-o", tmp_path / "a.png").failed(2, "cannot be written as .png")
    serpent(*terms, "-o", tmp_path / "none" / "a.npy").failed(2, "no folder")
    serpent(*terms, "--white", -1, "--force").failed(2, "--white must be positive")
    serpent(*terms, "--tile", "wide", "--force").failed(2, "--tile wide is not auto")


def test_an_envi_cube_is_two_files(
    serpent: Serpent, weights: Path, planes: Any, tmp_path: Path
) -> None:
    source = save(tmp_path / "a.hdr", planes)
    samples = (tmp_path / "a.img").read_bytes()
    terms = ("denoise", source, "--model", weights, "-q", "--force")
    # Whichever of the two names the input, and whichever the output.
    serpent(*terms, "-o", tmp_path / "a.img").failed(2, "is read and would be written")
    terms = ("denoise", tmp_path / "a.img", "--model", weights, "-q")
    serpent(*terms, "--force", "-o", source).failed(2, "is read and would be written")
    assert (tmp_path / "a.img").read_bytes() == samples
    other = tmp_path / "b.dat"  # samples whose header is yet to be written
    other.write_bytes(b"kept")
    serpent(*terms, "-o", tmp_path / "b.hdr").failed(2, "b.dat is there already")
    assert other.read_bytes() == b"kept"
    other.chmod(0o600)
    assert serpent(*terms, "--force", "-o", tmp_path / "b.hdr").code == 0
    assert not (tmp_path / "b.img").exists()
    assert other.stat().st_mode & 0o777 == 0o600
    assert read_cube(tmp_path / "b.hdr").shape == planes.shape


def test_denoise_has_weights_for_cubes(serpent: Serpent, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:48, :64] / 64
    scene = np.stack([0.5 + 0.4 * np.sin(6 * rows + 9 * columns * k / 20) for k in range(20)])
    noisy = scene + random.normal(0, 0.1, scene.shape)
    np.save(tmp_path / "a.npy", noisy.astype(np.float32))
    outcome = serpent("denoise", tmp_path / "a.npy", "--json", "--bands", "first", "--white", 1)
    assert outcome.code == 0
    assert json.loads(outcome.out[0])["model"] == "denoise-cube"
    made = np.load(tmp_path / "a_denoised.npy")
    assert np.square(made - scene).mean() < 0.2 * np.square(noisy - scene).mean()


def test_photographs_and_cubes_are_told_apart(
    serpent: Serpent, weights: Path, planes: Any, tmp_path: Path
) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "p.png")
    tifffile.imwrite(tmp_path / "p.tif", np.zeros((20, 20, 3), np.uint8), photometric="rgb")
    for name in ("p.png", "p.tif"):
        serpent("denoise", tmp_path / name, "--model", weights).failed(4, "for cubes of many bands")
        serpent("denoise", tmp_path / name, "--white", 9).failed(2, "--white is for cubes")
    cube = save(tmp_path / "c.tif", planes)
    outcome = serpent("deblur", cube)
    assert outcome.code == 1
    assert "a cube of 9 bands, not a photograph" in "\n".join(outcome.err)
    serpent("deblur", tmp_path / "p.png", "--model", weights).failed(4, "for cubes of many bands")
    serpent("denoise", cube, tmp_path / "p.png").failed(2, "is a cube, and")
    serpent("denoise", cube, "--strength", 0.5).failed(2, "--strength is for photographs")


def test_photographs_are_denoised_as_deblur_restores_them(serpent: Serpent, tmp_path: Path) -> None:
    """The same pixels, under another name; a folder, a size and a region as there."""
    noise = np.random.default_rng(0).normal(0, 25, (48, 56, 3))
    Image.fromarray(np.clip(128 + noise, 0, 255).astype(np.uint8)).save(tmp_path / "p.png")
    for command in ("denoise", "deblur"):
        assert serpent(command, tmp_path / "p.png", "-q").code == 0
    made = [
        np.asarray(Image.open(tmp_path / f"p_{what}.png")) for what in ("denoised", "deblurred")
    ]
    np.testing.assert_array_equal(made[0], made[1])
    assert made[0].std() < 10
    terms = ("denoise", tmp_path / "p.png", "-o", tmp_path / "q.png", "--region", "0,0,32,16")
    assert serpent(*terms).code == 0
    assert Image.open(tmp_path / "q.png").size == (32, 16)


def test_weights_of_photographs_do_not_denoise_cubes(
    serpent: Serpent, planes: Any, tmp_path: Path
) -> None:
    source = save(tmp_path / "a.npy", planes)
    serpent("denoise", source, "--model", "deblur").failed(4, "does not denoise cubes")


def scene() -> tuple[Any, Any, Any]:
    """A smooth cube of 28 bands, a mask, and the snapshot."""
    rows, columns = np.mgrid[:24, :32].astype(np.float32)
    bands = np.arange(28, dtype=np.float32)[:, None, None]
    cube = 0.5 + 0.4 * np.sin(rows / 6 + bands / 9) * np.cos(columns / 7)
    mask = (np.random.default_rng(1).random((24, 32)) > 0.5).astype(np.float32)
    shot = measure(torch.from_numpy(cube)[None], torch.from_numpy(mask))[0].numpy()
    return cube, mask, shot


def test_reconstruct_takes_the_bundled_weights_where_they_fit(
    serpent: Serpent, tmp_path: Path
) -> None:
    cube, mask, shot = scene()
    np.save(tmp_path / "s.npy", shot)
    np.save(tmp_path / "m.npy", mask)
    terms = ("reconstruct", tmp_path / "s.npy", "--mask", tmp_path / "m.npy", "--json")
    errors = dict[str, float]()
    for name, chosen in (
        ("reconstruct", ()),
        ("wiener", ("--model", "wiener")),
        ("gap-tv", ("--model", "gap-tv", "--iterations", 5)),
    ):
        record = json.loads(serpent(*terms, *chosen, "--force").out[0])
        assert (record["bands"], record["method"]) == (28, name)
        made = read_cube(tmp_path / "s_cube.npy").planes
        errors[name] = float(np.square(made - cube).mean())
    assert errors["wiener"] < errors["gap-tv"] and errors["reconstruct"] < errors["gap-tv"]


def test_reconstruct_needs_no_weights(serpent: Serpent, tmp_path: Path) -> None:
    cube, mask, shot = scene()
    np.save(tmp_path / "s.npy", shot)
    np.save(tmp_path / "m.npy", mask)
    terms = ("reconstruct", tmp_path / "s.npy", "--mask", tmp_path / "m.npy")
    outcome = serpent(*terms, "--json", "--model", "gap-tv", "--iterations", 20)
    record = json.loads(outcome.out[0])
    assert (record["bands"], record["method"], record["white"]) == (28, "gap-tv", 1)
    made = read_cube(tmp_path / "s_cube.npy").planes
    assert made.shape == cube.shape
    assert np.square(made - cube).mean() < 0.02
    serpent(*terms).failed(2, "is there already")
    other = (*terms, "-o", tmp_path / "other.hdr")
    serpent(*other, "--step", 4).failed(2, "with 4 pixels between bands")
    outcome = serpent(*other, "--step", 3)
    assert outcome.code == 0 and outcome.err[0].startswith("19 bands by wiener in")
    assert read_cube(tmp_path / "other.hdr").shape == (19, 24, 32)


def test_snapshots_come_in_several_kinds_of_files(serpent: Serpent, tmp_path: Path) -> None:
    _, mask, shot = scene()
    counts = np.rint(shot * 1000).astype(np.uint16)
    scipy.io.savemat(tmp_path / "s.mat", {"shot": counts})
    tifffile.imwrite(tmp_path / "s.tif", counts)
    Image.fromarray(counts).save(tmp_path / "s.png")
    Image.fromarray((255 * mask).astype(np.uint8)).save(tmp_path / "m.png")
    made = []
    for name in ("s.mat", "s.tif", "s.png"):
        goal = tmp_path / f"{name}.npy"
        outcome = serpent(
            "reconstruct", tmp_path / name, "--mask", tmp_path / "m.png", "-o", goal,
            "--model", "gap-tv", "--iterations", 2, "--quiet",
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        made.append(np.load(goal))
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(made[0], made[2])


def test_reconstruct_refuses_what_does_not_fit(serpent: Serpent, tmp_path: Path) -> None:
    _, mask, shot = scene()
    np.save(tmp_path / "s.npy", shot[:, :-1])
    np.save(tmp_path / "m.npy", mask)
    np.save(tmp_path / "c.npy", np.zeros((3, 4, 5)))
    terms = ("reconstruct", tmp_path / "s.npy", "--mask")
    serpent(*terms, tmp_path / "m.npy").failed(2, "does not fit a mask")
    serpent(*terms, tmp_path / "c.npy").failed(1, "as a plane")
    serpent(*terms, tmp_path / "none.npy").failed(1, "no such file")
    serpent(*terms, tmp_path / "m.npy", "--white", 0).failed(2, "--white must be positive")
