"""The picture of a run."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from serpent_cli.training import loss_curve


def log_of(folder: Path, gains: list[float | None]) -> Path:
    lines = [
        {"step": 10 * i, "loss": 0.02 / i, "val_psnr": gain} for i, gain in enumerate(gains, 1)
    ]
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def colours(path: Path) -> dict[str, int]:
    """Pixels of matplotlib's first blue and its first orange."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    wanted = {"loss": (0x1F, 0x77, 0xB4), "validation": (0xFF, 0x7F, 0x0E)}
    return {name: int((pixels == rgb).all(-1).sum()) for name, rgb in wanted.items()}


def test_loss_and_validation_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    target = tmp_path / "progress.png"
    loss_curve.draw_curves(log_of(tmp_path, [None, None, None]), target)
    assert colours(target)["loss"] > 100
    assert colours(target)["validation"] == 0
    loss_curve.draw_curves(log_of(tmp_path, [None, 0.5, 1.0]), target)
    assert colours(target)["validation"] > 100
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", "progress.png"]


def test_nothing_is_drawn_without_matplotlib_or_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss_curve.draw_curves(tmp_path / "log.jsonl", tmp_path / "progress.png")
    log = log_of(tmp_path, [None])
    monkeypatch.setattr(loss_curve, "can_draw", lambda: False)
    loss_curve.draw_curves(log, tmp_path / "progress.png")
    assert not (tmp_path / "progress.png").exists()
