from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.evaluation.suite import Score, run_suite
from serpent_cli.evaluation.trial import open_suite
from serpent_cli.model.config import ModelConfig
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.zoo.card import Card


class Untouched(nn.Module):
    """Returns the picture as it is."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class Bicubic(nn.Module):
    """Torch's own bicubic enlargement: a = -3/4, not the one that scores are compared with."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.interpolate(x, scale_factor=4, mode="bicubic", align_corners=False)


class Sharper(nn.Module):
    """One step of unsharp masking: undoes a little blur."""

    def forward(self, x: Tensor) -> Tensor:
        padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
        return x + 0.8 * (x - functional.avg_pool2d(padded, 3, 1))


def make_card(scale: int = 1, **trained: object) -> Card:
    return Card(
        name="test", task="deblur" if scale == 1 else "upscale", scale=scale, file="none",
        sha256="", licence="MIT", description="", config=ModelConfig(scale=scale), margin=32,
        trained={"degradation": trained} if trained else {},
    )  # fmt: skip


def _restorer(network: nn.Module, card: Card) -> Restorer:
    return Restorer(network.eval(), card, device=torch.device("cpu"), tile="whole")


@pytest.fixture(scope="session")
def trained_for() -> Callable[..., Card]:
    """trained_for(scale=1, sigma=(0.4, 3.0), ...) -> card of weights trained for these ranges."""
    return make_card


@pytest.fixture
def untouched() -> Restorer:
    return _restorer(Untouched(), make_card())


@pytest.fixture
def sharper() -> Restorer:
    return _restorer(Sharper(), make_card(sigma=(0.4, 3.0), noise=(0.0, 5.0)))


@pytest.fixture
def enlarger() -> Restorer:
    return _restorer(Bicubic(), make_card(4))


RunSuite = Callable[..., list[Score]]


@pytest.fixture(scope="session")
def scored() -> RunSuite:
    """scored(restorer, suite, folder, **options) -> scores."""

    def run(restorer: Restorer, suite: str, folder: Path | None, **options: object) -> list[Score]:
        opened = open_suite(suite, restorer.card, folder)
        return run_suite(restorer, opened, **options)  # pyright: ignore[reportArgumentType]

    return run


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs of odd size, one of them a JPEG, and a file that is no picture."""
    path = tmp_path_factory.mktemp("photos")
    for name, file in (("coffee", "b.png"), ("chelsea", "a.jpg")):
        pixels = np.ascontiguousarray(getattr(skimage.data, name)()[:97, 100:227])
        Image.fromarray(pixels).save(path / file, quality=95)
    (path / "notes.txt").write_text("no picture")
    return path
