"""A run over several files: one result each, whatever becomes of the others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from serpent_cli.batch.naming import Job
from serpent_cli.batch.runner import run
from serpent_cli.batch.stages import RunOptions
from serpent_cli.errors import PictureError, UsageError
from serpent_cli.restoration.restorer import Restorer


class Broken(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise ValueError("no such thing")


@pytest.fixture
def jobs(tmp_path: Path, photo: NDArray[np.uint8]) -> list[Job]:
    """A whole picture, a broken one, and a whole one for a folder that does not exist yet."""
    Image.fromarray(photo[:40, :50]).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:1000])
    Image.fromarray(photo[:20, :30]).save(tmp_path / "c.png")
    return [
        Job(tmp_path / "a.png", tmp_path / "out_a.png"),
        Job(tmp_path / "b.png", tmp_path / "out_b.png"),
        Job(tmp_path / "c.png", tmp_path / "new" / "folder" / "out_c.png"),
    ]


def test_good_pictures_are_written_although_one_is_broken(
    jobs: list[Job], restorer: Restorer, photo: NDArray[np.uint8]
) -> None:
    first, second, third = run(jobs, restorer, RunOptions())
    assert first.error is None
    assert (first.width, first.height, first.tiles) == (50, 40, restorer.plan(40, 50).tiles)
    assert first.seconds > 0
    np.testing.assert_array_equal(np.asarray(Image.open(jobs[0].target)), 255 - photo[:40, :50])
    assert isinstance(second.error, PictureError)
    assert (second.width, second.tiles) == (0, 0)
    assert not jobs[1].target.exists()
    assert third.error is None
    np.testing.assert_array_equal(np.asarray(Image.open(jobs[2].target)), 255 - photo[:20, :30])
    assert not list(jobs[0].source.parent.rglob("*.part"))


def test_existing_targets_are_kept_unless_forced(jobs: list[Job], restorer: Restorer) -> None:
    jobs[0].target.write_bytes(b"precious")
    calls: list[Job] = []
    options = RunOptions(on_size=lambda job, height, width: calls.append(job))
    (result,) = run(jobs[:1], restorer, options)
    assert isinstance(result.error, PictureError)
    assert "--force" in str(result.error.hint)
    assert calls == [], "refused before any work"
    assert jobs[0].target.read_bytes() == b"precious"
    (result,) = run(jobs[:1], restorer, RunOptions(force=True))
    assert result.error is None
    assert Image.open(jobs[0].target).size == (50, 40)


def test_callers_hear_of_sizes_and_tiles(jobs: list[Job], restorer: Restorer) -> None:
    heard: list[tuple[int, ...]] = []
    options = RunOptions(
        on_size=lambda job, height, width: heard.append((height, width)),
        on_tile=lambda done, total: heard.append((done, total)),
    )
    (result,) = run(jobs[:1], restorer, options)
    tiles = [(done, result.tiles) for done in range(result.tiles + 1)]
    assert heard == [(40, 50), *tiles]


def test_limits_and_regions_hold_for_every_file(jobs: list[Job], restorer: Restorer) -> None:
    (result,) = run(jobs[:1], restorer, RunOptions(max_pixels=1999))
    assert isinstance(result.error, PictureError)
    (result,) = run(jobs[:1], restorer, RunOptions(max_pixels=2000, region=(3, 4, 10, 5)))
    assert (result.error, result.width, result.height) == (None, 10, 5)
    (result,) = run(jobs[2:], restorer, RunOptions(region=(0, 0, 50, 1)))
    assert isinstance(result.error, UsageError)


def test_a_folder_that_cannot_be_made_is_an_error(jobs: list[Job], restorer: Restorer) -> None:
    job = Job(jobs[0].source, jobs[0].source / "below" / "a.png")
    (result,) = run([job], restorer, RunOptions())
    assert isinstance(result.error, PictureError)
    assert "cannot make the folder" in result.error.message


def test_unexpected_failures_are_results_too(
    jobs: list[Job], restorer_with: Callable[..., Restorer]
) -> None:
    results = list(run([jobs[0], jobs[2]], restorer_with(Broken()), RunOptions()))
    assert len(results) == 2
    for result in results:
        assert result.error is not None
        assert "unexpected ValueError: no such thing" in result.error.message
        assert str(result.job.source) in result.error.message
        assert isinstance(result.error.__cause__, ValueError)
        assert not result.job.target.exists()


def test_warnings_of_the_written_format_are_reported(
    jobs: list[Job], restorer: Restorer, photo: NDArray[np.uint8]
) -> None:
    source = jobs[0].source
    alpha = np.full((40, 50, 1), 128, np.uint8)
    Image.fromarray(np.concatenate([photo[:40, :50], alpha], axis=2)).save(source)
    (result,) = run([Job(source, source.with_name("flat.jpg"))], restorer, RunOptions())
    assert result.error is None
    assert any("transparen" in warning for warning in result.warnings), result.warnings
