import pytest
import skimage.data
import torch
from torch import Tensor


@pytest.fixture(scope="session")
def photos() -> Tensor:
    """Two photographs (2, 3, 300, 400) in [0, 1]."""
    pixels = [getattr(skimage.data, name)()[:300, 51:451] for name in ("coffee", "chelsea")]
    return torch.stack([torch.from_numpy(p.copy()).permute(2, 0, 1).float() / 255 for p in pixels])


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)
