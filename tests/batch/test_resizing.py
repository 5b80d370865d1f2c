"""--size: what it means for a picture, and the memory that it takes."""

from pathlib import Path

import pytest
from PIL import Image

from serpent_cli.batch.forecast import forecast
from serpent_cli.batch.naming import Job
from serpent_cli.batch.resizing import resampled_size
from serpent_cli.batch.runner import run
from serpent_cli.batch.stages import File, RunOptions
from serpent_cli.imaging.geometry import Geometry
from serpent_cli.restoration.plan import BASE_BYTES
from serpent_cli.restoration.restorer import Restorer

SIZE = Geometry.parse("6000x")


def needed(restorer: Restorer) -> int:
    """Bytes for 40 x 50 pixels, as they are and restored, and 4800 x 6000 with a codec's copies."""
    return BASE_BYTES + 2 * restorer.costs.weight_bytes + 3 * (2 * 40 * 50 + 3 * 4800 * 6000)


def test_the_memory_of_the_result_and_its_coding_is_counted(restorer: Restorer) -> None:
    assert resampled_size(SIZE, 40, 50, restorer, 3) == ((4800, 6000), needed(restorer))


@pytest.mark.parametrize("short", [0, 1])
def test_a_size_beyond_the_budget_is_refused_before_the_work(
    short: int, four_jobs: list[Job], restorer: Restorer
) -> None:
    restorer.budget = needed(restorer) - short
    begun: list[Job] = []
    options = RunOptions(size=SIZE, on_size=lambda job, height, width: begun.append(job))
    predicted = forecast(four_jobs[0], restorer, options, 1.0)
    (result,) = run(four_jobs[:1], restorer, options)
    if short:
        assert result.error is not None
        assert "resampling to 6000 x 4800 needs at least 0.7G of memory" in str(result.error)
        assert "--max-memory 0.7G" in str(result.error.hint)
        assert str(predicted.error) == str(result.error)
        assert not begun
    else:
        assert result.error is None
        assert predicted.memory == needed(restorer)
        assert Image.open(str(four_jobs[0].target)).size == (6000, 4800)


def test_small_ones_that_were_restored_together_are_resampled_too(
    tmp_path: Path, four_jobs: list[Job], restorer: Restorer
) -> None:
    restorer.tile = "auto"
    results = list(run(four_jobs, restorer, RunOptions(size=Geometry.parse("50%"))))
    assert [(r.error, r.width, r.height) for r in results] == [(None, 25, 20)] * 4
    assert all(Image.open(path).size == (25, 20) for path in (tmp_path / "out").iterdir())


@pytest.mark.parametrize("short", [0, 1])
def test_two_at_once_need_the_memory_of_two_results(
    short: int, four_jobs: list[Job], restorer: Restorer
) -> None:
    """A server restores two small pictures at the same time, and resamples both meanwhile."""
    restorer.tile = "auto"
    file = File(four_jobs[0], restorer, RunOptions(size=SIZE))
    file.read()
    network = restorer.plan(2 * 40, 50).peak_bytes
    restorer.budget = network + 2 * (needed(restorer) - BASE_BYTES) - short
    assert file.fits_twice() is not bool(short)
    without = File(four_jobs[1], restorer, RunOptions())
    without.read()
    restorer.budget = network - short
    assert without.fits_twice() is not bool(short)
