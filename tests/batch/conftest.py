from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from serpent_cli.batch.naming import Job
from serpent_cli.restoration.restorer import Restorer


class Negative(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 1 - x


@pytest.fixture
def memory_url() -> Iterator[str]:
    """A file system in memory, empty."""
    from fsspec.implementations.memory import MemoryFileSystem

    MemoryFileSystem.store.clear()
    yield "memory://shelf"
    MemoryFileSystem.store.clear()


@pytest.fixture
def restorer(restorer_with: Callable[..., Restorer]) -> Restorer:
    """Gives the negative, in tiles of 32."""
    return restorer_with(Negative(), tile=32)


@pytest.fixture
def four_jobs(tmp_path: Path, photo: NDArray[np.uint8]) -> list[Job]:
    """Pictures a.png to d.png, 40 rows of 50, for the folder `out`."""
    made = [Job(tmp_path / f"{name}.png", tmp_path / "out" / f"{name}.png") for name in "abcd"]
    for job in made:
        Image.fromarray(photo[:40, :50]).save(job.source)
    return made
