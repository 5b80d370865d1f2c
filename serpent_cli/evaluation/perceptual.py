"""ST-LPIPS: how different two pictures look, learned from people's judgements.

Ghildyal, Liu, "Shift-tolerant perceptual similarity metric", ECCV 2022, arXiv 2207.13686, which
makes LPIPS (Zhang et al., CVPR 2018, arXiv 1801.03924) indifferent to shifts of a pixel by blurring
before each reduction (Zhang, ICML 2019, arXiv 1904.11486). The network is written anew here, after
the papers; its weights (AlexNet, BSD 2-Clause) are those in the package stlpips-pytorch, if that is
installed. No code of that package runs: a file of it is not free for every use.
"""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from serpent_cli.errors import DeviceError
from serpent_cli.evaluation.metrics import Array
from serpent_cli.zoo.pickle_reader import read_pickle

Distance = Callable[[Array, Array], float]
PACKAGE, MODULE = "stlpips-pytorch", "stlpips_pytorch"
WEIGHTS = Path("weights", "vST0.0", "alex_shift_tolerant.pth")
LAYERS = ("slice1.0", "slice2.5", "slice3.9", "slice4.11", "slice5.13")  # of the weights
PADDING = (2, 2, 1, 1, 1)  # of each convolution
REDUCED = 3  # layers whose maps are half as large as those before
# Values in [-1, 1] are brought to mean and spread of the pictures that the network knows.
MEAN, SPREAD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


def why_not() -> str | None:
    """Why ST-LPIPS cannot be computed here; None: it can."""
    path = _weights()
    if path is None:
        return f"{PACKAGE}, whose weights it takes, is not installed"
    return None if path.is_file() else f"there is no {path}"


def _weights() -> Path | None:
    found = importlib.util.find_spec(MODULE)  # of a package at the top: nothing of it is run
    places = found.submodule_search_locations if found is not None else None
    return Path(places[0]) / WEIGHTS if places else None


def load_distance() -> Distance:
    """ST-LPIPS of two pictures (H, W, 3) in [0, 1], each of 32 x 32 pixels or more; 0 if equal.

    Raises:
        DeviceError: The weights are missing; the hint is the command that brings them.
        ModelError: Their file is damaged, or wants to run code.
    """
    return distance_by(load_weights())


def load_weights() -> dict[str, Tensor]:
    """The network and its judgements by name; raises as `load_distance` does."""
    lacking, path = why_not(), _weights()
    if lacking or path is None:
        raise DeviceError(
            f"ST-LPIPS cannot be computed: {lacking}", hint=f"pip install --no-deps {PACKAGE}"
        )
    return read_pickle(path).tensors


def distance_by(weights: dict[str, Tensor]) -> Distance:
    """The distance that such weights measure."""
    last: list[tuple[Array, list[Tensor]]] = []  # the truth, which is compared more than once

    def distance(a: Array, b: Array) -> float:
        with torch.inference_mode():
            if not last or last[0][0] is not b:
                last[:] = [(b, features(_tensor(b), weights))]
            return float(distances(features(_tensor(a), weights), last[0][1], weights))

    return distance


def _tensor(picture: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture, np.float32)).permute(2, 0, 1)[None]


def distances(
    first: Sequence[Tensor], second: Sequence[Tensor], weights: dict[str, Tensor]
) -> Tensor:
    """ST-LPIPS of each of B pictures by the features of both; (B), differentiable."""
    each = [
        (weights[f"lin{layer}.model.1.weight"] * (x - y) ** 2).sum(1).mean((1, 2))
        for layer, (x, y) in enumerate(zip(first, second, strict=True))
    ]
    return torch.stack(each).sum(0)


def features(x: Tensor, weights: dict[str, Tensor]) -> list[Tensor]:
    """Maps (B, C, h, w) of the five layers, each place of unit length, fp32; differentiable.

    Args:
        x: Pictures (B, 3, H, W) in [0, 1], on the device of the weights.
        weights: See `load_weights`.
    """
    mean, spread = (x.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, SPREAD))
    x = (2 * x - 1 - mean) / spread
    maps: list[Tensor] = []
    for layer, name in enumerate(LAYERS):
        if 0 < layer < REDUCED:
            x = _halved(functional.max_pool2d(x, 3, 1))
        kernel, bias = weights[f"net.{name}.weight"], weights[f"net.{name}.bias"]
        x = functional.conv2d(x, kernel, bias, padding=PADDING[layer])
        x = functional.relu(_halved(x) if layer == 0 else x)
        exact = x.float()  # in training the convolutions may be bf16
        maps.append(exact / (exact.norm(dim=1, keepdim=True) + 1e-10))
    return maps


def _halved(x: Tensor) -> Tensor:
    """Every other pixel after a blur by 1, 2, 1; the border is reflected by two pixels."""
    weights = x.new_tensor([1.0, 2.0, 1.0]) / 4
    kernel = (weights[:, None] * weights).expand(x.shape[1], 1, 3, 3)
    padded = functional.pad(x, (2, 2, 2, 2), mode="reflect")
    return functional.conv2d(padded, kernel, stride=2, groups=x.shape[1])
