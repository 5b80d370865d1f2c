"""Denoised and reconstructed cubes beside what needs no training.

python -m bench cubes --folder DIR [--denoiser FILE] [--reconstructor FILE]

DIR holds cubes as 16-bit PNG and their index.json: bands below each other, each the difference from
the one above modulo 65536, `top` full scale. Denoising: σ 25/255 in every band, against non-local
means of each band that know σ; and σ 5/255, against the cube's axes without the network.
Reconstruction: cubes from 400 to 700 nm in steps of 10 are seen in 28 bands through a random mask,
against GAP-TV, and how long 256 x 256 pixels take. Without weights only the others' figures are
shown; with weights of one kind, only what they are for.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.restoration import denoise_nl_means

from bench.timing import Row, fastest
from serpent_cli.cubes.cube import Cube
from serpent_cli.degrade.aperture import random_masks
from serpent_cli.degrade.cassi import WAVELENGTHS, measure, shift_back
from serpent_cli.degrade.draws import generator_for
from serpent_cli.evaluation.cube_metrics import score_cube
from serpent_cli.restoration.cube_denoiser import CubeDenoiser
from serpent_cli.restoration.snapshot import reconstruct
from serpent_cli.zoo.load import load_model

SIGMA, WEAK = 25 / 255, 5 / 255
DENOISED, RECONSTRUCTED = 2.0, 3.0  # dB above what needs no training
SECONDS = 20.0  # of a snapshot, on two cores
VISIBLE = list(range(400, 701, 10))  # nm

Floats = NDArray[np.float32]


def rows(folder: Path, denoiser: str | None, reconstructor: str | None) -> list[Row]:
    """Every cube of the folder; bars only where there are weights, of one kind or of both."""
    network = CubeDenoiser.from_pretrained(denoiser) if denoiser else None
    snapshots = load_model(reconstructor, torch.device("cpu")) if reconstructor else None
    found: list[Row] = []
    for entry, cube in cubes(folder):
        name = Path(entry["file"]).stem
        if denoiser or not reconstructor:
            found += denoised(name, cube, network)
        if entry.get("wavelengths_nm") == VISIBLE and (reconstructor or not denoiser):
            found += reconstructed(name, as_seen(cube), snapshots)
    return [*found, *([timed(snapshots)] if snapshots else [])]


def cubes(folder: Path) -> Iterator[tuple[dict[str, Any], Floats]]:
    """Entries of the index, and their cubes (T, H, W) in [0, 1]."""
    for entry in json.loads((folder / "index.json").read_text(encoding="utf-8")):
        stored = np.asarray(Image.open(folder / entry["file"])).astype(np.uint16)
        planes = stored.reshape(entry["bands"], entry["height"], entry["width"])
        yield entry, np.cumsum(planes, 0, np.uint16).astype(np.float32) / entry["top"]


def as_seen(cube: Floats) -> Floats:
    """31 bands, interpolated to the 28 of published snapshots."""
    at = (np.array(WAVELENGTHS) - VISIBLE[0]) / 10
    low = np.floor(at).astype(int)
    share = (at - low)[:, None, None].astype(np.float32)
    return cube[low] * (1 - share) + cube[low + 1] * share


def denoised(name: str, clean: Floats, network: CubeDenoiser | None) -> list[Row]:
    """Against non-local means of each band."""
    noise = torch.randn(clean.shape, generator=generator_for(name)).numpy()
    noisy = clean + SIGMA * noise
    means = [denoise_nl_means(b, 5, 6, 0.8 * SIGMA, sigma=SIGMA, fast_mode=True) for b in noisy]
    theirs = score_cube(np.clip(np.stack(means), 0, 1), clean)
    if network is None:
        return [Row(f"{name}: non-local means", theirs.mpsnr, "dB"),
                Row(f"{name}: their angle", theirs.sam, "°")]  # fmt: skip
    alone = CubeDenoiser(torch.nn.Identity(), network.card)
    weak = clean + WEAK * noise
    ours, axes, both = (
        score_cube(np.clip(by_axes(denoiser, given), 0, 1), clean)
        for denoiser, given in ((network, noisy), (alone, weak), (network, weak))
    )
    return [
        Row(f"{name}: non-local means + {DENOISED:g} dB", theirs.mpsnr + DENOISED, "dB",
            ours.mpsnr, 1.0),
        Row(f"{name}: angle, over theirs", ours.sam, "°", theirs.sam, 1.0),
        Row(f"{name}: weak noise, axes alone", axes.mpsnr, "dB", both.mpsnr),
    ]  # fmt: skip


def by_axes(denoiser: CubeDenoiser, given: Floats) -> Floats:
    """A cube (T, H, W) in [0, 1], denoised."""
    made = np.empty_like(given)
    denoiser.denoise(Cube(given), made, white=1.0)
    return made


def timed(network: Any) -> Row:
    """Seconds of a snapshot of 310 x 256 pixels."""
    stream = generator_for("a snapshot that is timed")
    mask = random_masks(1, 256, 256, stream)[0]
    shot = measure(torch.rand(1, len(WAVELENGTHS), 256, 256, generator=stream), mask)
    seconds = fastest(
        lambda: reconstruct(shot[0].numpy(), mask.numpy(), network=network), runs=1, least=0.0
    )
    return Row("a snapshot of 310 x 256 pixels", seconds, "s", SECONDS, 1.0)


def reconstructed(name: str, cube: Floats, network: Any) -> list[Row]:
    """Against GAP-TV and the Wiener filter, and GAP-TV against shifting back."""
    mask = random_masks(1, *cube.shape[1:], generator_for(f"mask {name}"))[0]
    shot = measure(torch.from_numpy(cube)[None], mask)
    shifted, smoothed, filtered = (
        score_cube(np.clip(made, 0, 1), cube)
        for made in (
            shift_back(shot, mask, len(cube))[0].numpy(),
            reconstruct(shot[0].numpy(), mask.numpy(), method="gap-tv"),
            reconstruct(shot[0].numpy(), mask.numpy()),
        )
    )
    found = [
        Row(f"{name}: shifted back, over GAP-TV", shifted.mpsnr, "dB", smoothed.mpsnr),
        Row(f"{name}: GAP-TV, over the Wiener filter", smoothed.mpsnr, "dB", filtered.mpsnr),
    ]
    if network is not None:
        made = reconstruct(shot[0].numpy(), mask.numpy(), network=network)
        ours = score_cube(np.clip(made, 0, 1), cube)
        best = smoothed.mpsnr + RECONSTRUCTED
        found += [
            Row(f"{name}: GAP-TV + {RECONSTRUCTED:g} dB", best, "dB", ours.mpsnr, 1.0),
            Row(f"{name}: the filter, over the network", filtered.mpsnr, "dB", ours.mpsnr),
            Row(f"{name}: the network's angle, over the filter's", ours.sam, "°", filtered.sam),
        ]
    return found
