import dataclasses
import json
from typing import Any

import pytest

from serpent_cli.errors import ModelError
from serpent_cli.model.config import PRESETS, ModelConfig


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name: str) -> None:
    config = PRESETS[name]
    assert ModelConfig.from_dict(json.loads(config.to_json())) == config


def test_an_empty_record_is_the_default() -> None:
    assert ModelConfig.from_dict({}) == ModelConfig()
    assert ModelConfig.from_dict({"expand": 1}).inner(24) == 24, "a whole number is a number"


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"mixer": "attention"}, "mixer must be one of ss2d, spatial"),
        ({"join": "mul"}, "join must be one of add, concat"),
        ({"residual": "both"}, "residual must be one of none, image"),
        ({"scale": 3}, "scale must be 1, 2, 4 or 8"),
        ({"widths": [8, 16, 32]}, "four widths"),
        ({"depths_up": [1, 1]}, "three depths"),
        ({"widths": [8, 16, 0, 8]}, "must be positive"),
        ({"widths": [8, 16, 32, 100000]}, "must be positive"),
        ({"depth_bottleneck": 0}, "must be positive"),
        ({"patch_size": 0}, "must be positive"),
        ({"patch_size": 32}, "out of range"),
        ({"state_size": -1}, "must be positive"),
        ({"expand": 0.0}, "out of range"),
        ({"expand": float("nan")}, "out of range"),
        ({"feed_forward": -1.0}, "out of range"),
        ({"feed_forward_from": 4}, "must be a token scale, 0 to 3"),
        ({"feed_forward_kind": "wave"}, "feed_forward_kind must be one of mlp, frequency"),
        ({"mixer": "spatial", "state_size": 4}, "state_size must be 1"),
        ({"version": 2}, "format version 2"),
        ({"depth": 4}, "unknown keys: depth"),
        ({"gate": 1}, "gate must be bool"),
        ({"patch_size": True}, "patch_size must be int"),
        ({"patch_size": "2"}, "patch_size must be int"),
        ({"scale": 2.0}, "scale must be int"),
        ({"widths": 8}, "widths must be tuple"),
        ({"widths": ["a", 1, 1, 1]}, "malformed"),
        ({"widths": []}, "four widths"),
        ({"mixer": ["ss2d"]}, "malformed"),
    ],
)
def test_nonsense_is_refused(record: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        ModelConfig.from_dict(record)
    assert caught.value.exit_code == 4


def test_sizes_cannot_be_changed_afterwards() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig().scale = 2  # pyright: ignore


@pytest.mark.parametrize(("width", "rank"), [(1, 1), (16, 1), (17, 2), (96, 6)])
def test_the_rank_of_the_step_is_a_sixteenth(width: int, rank: int) -> None:
    assert ModelConfig.delta_rank(width) == rank
