"""What several test folders share: stand-in networks, tiny weights, small photographs."""

import os
from collections.abc import Callable
from pathlib import Path

# Before torch loads: workers share the cores, and a thread that waits must not hold one.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import hypothesis
import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.training.export import write_card
from serpent_cli.zoo.card import Card, sha256
from serpent_cli.zoo.checkpoint import save_weights

# What a case takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

WIDTHS = (8, 16, 16, 16)
MakeWeights = Callable[..., Path]
MakeRestorer = Callable[..., Restorer]


class Blur(nn.Module):
    """A network whose output depends on the 7 x 7 inputs around it; no two channels alike."""

    REACH = 3

    def __init__(self, scale: int = 1) -> None:
        super().__init__()
        self.scale = scale
        generator = torch.Generator().manual_seed(3)
        self.kernel = torch.rand(3, 1, 7, 7, generator=generator)
        self.kernel /= self.kernel.sum((2, 3), keepdim=True)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.conv2d(functional.pad(x, (3,) * 4, mode="replicate"), self.kernel, groups=3)
        return y if self.scale == 1 else functional.interpolate(y, scale_factor=self.scale)


def make_card(config: ModelConfig, margin: int = 16, name: str = "test", digest: str = "") -> Card:
    return Card(
        name=name, task="deblur" if config.scale == 1 else "upscale", scale=config.scale,
        file=f"{name}.safetensors", sha256=digest, licence="MIT", description="Only for tests.",
        config=config, margin=margin,
    )  # fmt: skip


def make_network(config: ModelConfig, seed: int = 0) -> nn.Module:
    """A random network that changes its input visibly: a fresh residual one is the identity."""
    torch.manual_seed(seed)
    model = build_model(config)
    with torch.no_grad():
        for parameter in model.depatchifier.parameters():
            parameter.normal_(std=0.02)
    return model.eval()


@pytest.fixture(scope="session")
def card_for() -> Callable[..., Card]:
    return make_card


@pytest.fixture(scope="session")
def network_for() -> Callable[..., nn.Module]:
    return make_network


@pytest.fixture(scope="session")
def blur_network() -> type[Blur]:
    return Blur


@pytest.fixture(scope="session")
def restorer_with() -> MakeRestorer:
    """restorer_with(network, scale=1, margin=16, patch_size=1, **options) -> Restorer."""

    def make(
        network: nn.Module, scale: int = 1, margin: int = 16, patch_size: int = 1, **options: object
    ) -> Restorer:
        card = make_card(ModelConfig(patch_size=patch_size, widths=WIDTHS, scale=scale), margin)
        return Restorer(network, card, **options)  # pyright: ignore[reportArgumentType]

    return make


@pytest.fixture
def make_weights(tmp_path: Path) -> MakeWeights:
    """make_weights(name="tiny", scale=1, card=True) -> path of random weights of a tiny network."""

    def make(name: str = "tiny", scale: int = 1, card: bool = True, **sizes: object) -> Path:
        config = ModelConfig(widths=WIDTHS, scale=scale, **sizes)  # pyright: ignore
        folder = tmp_path / "weights"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.safetensors"
        save_weights(dict(make_network(config).named_parameters()), config, path)
        if card:
            write_card(make_card(config, 8, name, sha256(path)), path.with_suffix(".json"))
        return path

    return make


@pytest.fixture
def style_shelf(make_weights: MakeWeights, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the only bundled weights: by 4 and by 8, and crisp by 4; tiny ones."""
    make_weights("upscale-x8", scale=8)
    make_weights("upscale-x4-crisp", scale=4, expand=1.0)  # other numbers than its sister's
    folder = make_weights("upscale-x4", scale=4).parent
    monkeypatch.setattr("serpent_cli.zoo.locate.weights_folder", lambda: folder)
    return folder


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    """A photograph, uint8 (96, 120, 3), of a coffee cup."""
    return np.ascontiguousarray(skimage.data.coffee()[100:196, 200:320])


@pytest.fixture
def photo_file(tmp_path: Path, photo: NDArray[np.uint8]) -> Path:
    """A PNG of 35 x 21 pixels."""
    path = tmp_path / "cup.png"
    Image.fromarray(photo[:21, :35]).save(path)
    return path
