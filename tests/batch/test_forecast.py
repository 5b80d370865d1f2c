"""What is forecast is what the run does, refusals included."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from serpent_cli.batch.forecast import forecast
from serpent_cli.batch.naming import Job
from serpent_cli.batch.runner import run
from serpent_cli.batch.stages import RunOptions
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.write import write_picture
from serpent_cli.restoration.plan import BASE_BYTES
from serpent_cli.restoration.region import Region
from serpent_cli.restoration.restorer import Restorer


@pytest.mark.parametrize("region", [None, (0, 0, 9, 9), (20, 16, 20, 20)])
def test_tiles_and_sizes_are_those_of_the_run(
    region: Region | None, four_jobs: list[Job], restorer: Restorer
) -> None:
    restorer.tile, options = 64, RunOptions(region=region)
    predicted = forecast(four_jobs[0], restorer, options, 1.0)
    (result,) = run(four_jobs[:1], restorer, options)
    assert result.error is None
    assert (predicted.tiles, predicted.width, predicted.height) == (
        result.tiles, result.width, result.height,
    )  # fmt: skip


def test_a_region_outside_is_refused_as_by_the_run(
    four_jobs: list[Job], restorer: Restorer
) -> None:
    options = RunOptions(region=(40, 0, 20, 20))
    predicted = forecast(four_jobs[0], restorer, options, 1.0)
    (result,) = run(four_jobs[:1], restorer, options)
    assert "does not lie in the 50 x 40 picture" in str(predicted.error)
    assert str(predicted.error) == str(result.error)


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_what_cannot_be_decoded_in_parts_is_refused_as_by_the_run(
    suffix: str, restorer_with: Callable[..., Restorer], photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    job = Job(tmp_path / f"in{suffix}", tmp_path / "out.tif")
    write_picture(Picture(np.tile(photo, (80, 70, 1))), tmp_path / f"in{suffix}")
    restorer = restorer_with(nn.Identity(), tile=64)
    restorer.costs = type(restorer.costs)(1, 16, 8, 1.0, 0)
    restorer.budget = BASE_BYTES + 400 * 2**20
    predicted = forecast(job, restorer, RunOptions(), 1.0)
    if suffix == ".tif":
        assert predicted.error is None
        return
    (result,) = run([job], restorer, RunOptions())
    assert "cannot be decoded in parts" in str(predicted.error)
    assert str(predicted.error) == str(result.error)
