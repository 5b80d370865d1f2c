"""Restoring on an NVIDIA GPU: as on a CPU, within its memory. Skipped where there is none."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from serpent_cli.evaluation.metrics import psnr
from serpent_cli.imaging.picture import Picture
from serpent_cli.restoration.restorer import Restorer

if not torch.cuda.is_available():
    pytest.skip("there is no NVIDIA GPU", allow_module_level=True)

Photo = NDArray[np.uint8]
DEBLUR = "deblur"


@pytest.fixture(scope="module")
def picture() -> Picture:
    from skimage.data import astronaut

    return Picture(astronaut()[:384, :500])


@pytest.fixture(scope="module")
def expected(picture: Picture) -> Photo:
    return Restorer.from_pretrained(DEBLUR, device="cpu").restore(picture).pixels


@pytest.mark.parametrize(("precision", "least"), [("fp32", 65.0), ("bf16", 45.0)])
@pytest.mark.parametrize("tile", ["whole", 128])
def test_a_gpu_restores_as_a_cpu(
    precision: str, least: float, tile: str | int, picture: Picture, expected: Photo
) -> None:
    if tile != "whole":
        expected = Restorer.from_pretrained(DEBLUR, device="cpu", tile=tile).restore(picture).pixels
    restorer = Restorer.from_pretrained(DEBLUR, device="cuda", precision=precision, tile=tile)
    restored = restorer.restore(picture).pixels
    assert psnr(restored / 255, expected / 255) > least
    np.testing.assert_array_equal(restored, restorer.restore(picture).pixels, "results repeat")


@pytest.mark.parametrize("depth", [np.uint16, np.float32])
def test_depths_travel(depth: type, picture: Picture) -> None:
    most = 1 if depth == np.float32 else 65535
    deep = Picture((picture.pixels / 255 * most).astype(depth))
    ours = Restorer.from_pretrained(DEBLUR, device="cuda", precision="fp32").restore(deep).pixels
    theirs = Restorer.from_pretrained(DEBLUR, device="cpu").restore(deep).pixels
    assert ours.dtype == depth
    assert psnr(ours / most, theirs / most) > 60


def test_bf16_is_the_default_where_the_hardware_has_it() -> None:
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    dtype = Restorer.from_pretrained(DEBLUR, device="cuda").forward.dtype
    assert dtype == (torch.bfloat16 if native else torch.float32)


def test_memory_of_the_gpu_is_kept(picture: Picture) -> None:
    large = Picture(np.tile(picture.pixels, (4, 4, 1)))
    budget = 512 * 2**20
    torch.cuda.empty_cache()
    restorer = Restorer.from_pretrained(DEBLUR, device="cuda", max_vram=budget)
    plan = restorer.plan(large.height, large.width)
    assert plan.tiles > 1
    torch.cuda.reset_peak_memory_stats()
    try:
        restorer.restore(large)
        assert torch.cuda.max_memory_reserved() <= budget
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_tile_too_large_is_halved(picture: Picture) -> None:
    large = Picture(np.tile(picture.pixels, (4, 4, 1)))
    whole = Restorer.from_pretrained(DEBLUR, device="cuda", precision="fp32", tile="whole")
    torch.cuda.empty_cache()
    total = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction(400 * 2**20 / total)
    tiles: list[int] = []
    try:
        whole.restore(large, on_tile=lambda done, total: tiles.append(total))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert tiles[-1] > 1


def test_the_command_line_runs_on_a_gpu(tmp_path: Path, picture: Picture, expected: Photo) -> None:
    from PIL import Image

    from serpent_cli.cli.app import main

    source, target = tmp_path / "in.png", tmp_path / "out.png"
    Image.fromarray(picture.pixels).save(source)
    with pytest.raises(SystemExit) as end:
        main(["deblur", str(source), "-o", str(target), "--device", "cuda", "-q"])
    assert not end.value.code
    with Image.open(target) as result:
        assert psnr(np.asarray(result) / 255, expected / 255) > 45
