"""How long a snapshot of many bands takes; `serpent eval` says how good its cube is."""

import torch

from bench.timing import Row, fastest
from serpent_cli.degrade.aperture import random_masks
from serpent_cli.degrade.cassi import WAVELENGTHS, measure
from serpent_cli.degrade.draws import generator_for
from serpent_cli.restoration.snapshot import reconstruct
from serpent_cli.zoo.load import load_model

SIDE = 256  # pixels of the scene
SECONDS = 20.0  # of a snapshot, on two cores


def rows() -> list[Row]:
    """Seconds of the bundled weights, of the Wiener filter and of GAP-TV."""
    stream = generator_for("a snapshot that is timed")
    mask = random_masks(1, SIDE, SIDE, stream)[0]
    shot = measure(torch.rand(1, len(WAVELENGTHS), SIDE, SIDE, generator=stream), mask)
    given = shot[0].numpy(), mask.numpy()
    network = load_model("reconstruct", torch.device("cpu"))
    ways = {
        "reconstruct": lambda: reconstruct(*given, network=network),
        "wiener": lambda: reconstruct(*given),
        "gap-tv": lambda: reconstruct(*given, method="gap-tv"),
    }
    size = f"{shot.shape[2]} x {SIDE} pixels"
    return [
        Row(f"a snapshot of {size} by {name}", fastest(way, runs=1, least=0.0), "s", SECONDS, 1.0)
        for name, way in ways.items()
    ]
