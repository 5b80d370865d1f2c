"""Foreign state dicts that are refused, each with the rows that say why."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from serpent_cli.errors import ModelError
from serpent_cli.model.config import ModelConfig
from serpent_cli.zoo import pickle_reader
from serpent_cli.zoo.convert import UnmatchedError, convert, read_sizes

TensorDict = dict[str, Tensor]
Saved = Callable[..., Path]
Row = tuple[str, ...]
Rows = Callable[..., list[Row]]
SIZES = ModelConfig(widths=(8, 12, 16, 20), state_size=3, expand=1.5).record()


@pytest.fixture
def rows_of(saved: Saved) -> Rows:
    """rows_of(tensors, sizes=SIZES): the table by which their conversion is refused."""

    def refuse(tensors: TensorDict, sizes: dict[str, object] = SIZES) -> list[Row]:
        with pytest.raises(UnmatchedError, match="is not converted") as caught:
            convert(saved(tensors), sizes)
        assert caught.value.exit_code == 4
        assert caught.value.hint
        assert "\n" not in caught.value.message
        assert caught.value.rows[0] == ("name", "shape", "what is wrong")
        return list(caught.value.rows[1:])

    return refuse


def test_names_on_both_sides_are_listed(theirs: TensorDict, rows_of: Rows) -> None:
    theirs["b.0.skip_scale"] = torch.ones(20)
    theirs["head.weight"] = torch.ones(1000, 20)
    del theirs["u1.blocks.0.norm.bias"]
    theirs["d1.merge.reduce.weight"] = torch.ones(12, 33)
    assert rows_of(theirs) == [
        ("b.0.skip_scale", "(20,)", "found, not known"),
        ("d1.merge.reduce.weight", "(12, 33)", "must be (12, 32)"),
        ("head.weight", "(1000, 20)", "found, not known"),
        ("u1.blocks.0.norm.bias", "(12,)", "wanted, missing"),
    ]


MISFITS: dict[str, tuple[str, Callable[[Tensor], Tensor], str]] = {
    "three halves": ("in_proj.weight", lambda t: torch.cat((t, t[:30])), "must be (30, 20)"),
    "paths": ("x_proj_weight", lambda t: t[:2], "must be (4, 8, 30)"),
    "channels": ("A_logs", lambda t: t[:-1], "VMamba lays it out"),
    "axes": ("Ds", lambda t: t.view(4, -1), "must be (4, 30)"),
    "no depthwise": ("conv2d.weight", lambda t: t[:, 0, 0, 0], "must be (30, 1, 3, 3)"),
    "rank": ("dt_projs_weight", lambda t: t[..., :1], "must be (4, 2, 30)"),
    "kernel": ("conv2d.weight", lambda t: t[..., :1], "must be (30, 1, 3, 3)"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_odd_layouts_are_refused(case: str, theirs: TensorDict, rows_of: Rows) -> None:
    part, spoil, words = MISFITS[case]
    theirs[f"b.0.op.{part}"] = spoil(theirs[f"b.0.op.{part}"])
    rows = rows_of(theirs)
    assert any(words in row[2] for row in rows), rows
    assert all(row[0].startswith("b.0.") for row in rows)


def test_the_same_parameter_twice_is_refused(theirs: TensorDict, rows_of: Rows) -> None:
    theirs["b.0.ln_1.weight"] = torch.ones(20)
    theirs["b.0.mixer.norm.weight"] = torch.ones(30)
    wrong = {row[2] for row in rows_of(theirs)}
    ours = ("b.0.norm.weight", "b.0.mixer.norm.weight")
    assert wrong == {f"{name} is there already" for name in ours}


def test_another_feed_forward_is_refused(
    vmamba_network: Callable[..., TensorDict], rows_of: Rows
) -> None:
    v05 = ModelConfig(widths=(8, 12, 16, 20), gate=False, feed_forward=2.0)
    theirs = vmamba_network(v05, "op", "norm")
    gated = theirs["b.0.mlp.fc1.weight"]
    theirs["b.0.mlp.fc1.weight"] = torch.cat((gated, gated))
    rows_of(theirs, v05.record())
    theirs["b.0.mlp.fc1.weight"] = gated
    theirs["b.0.mlp.fc3.weight"] = gated.clone()
    assert rows_of(theirs, v05.record()) == [("b.0.mlp.fc3.weight", "(40, 20)", "found, not known")]


def test_another_network_is_listed_whole(rows_of: Rows) -> None:
    rows = rows_of({"conv1.weight": torch.ones(64, 3, 7, 7), "fc.bias": torch.ones(10)})
    assert {
        ("conv1.weight", "(64, 3, 7, 7)", "found, not known"),
        ("fc.bias", "(10,)", "found, not known"),
    } == {row for row in rows if row[2] == "found, not known"}
    missing = {name for name, _, what in rows if what == "wanted, missing"}
    assert "patchifier.embed.weight" in missing


def test_entries_that_are_no_numbers_are_listed(
    theirs: TensorDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = pickle_reader.Foreign(theirs, {"b.0.steps": "int64, strided"})
    monkeypatch.setattr("serpent_cli.zoo.convert.read_pickle", lambda path: foreign)
    path = tmp_path / "theirs.pth"
    path.touch()
    with pytest.raises(UnmatchedError) as caught:
        convert(path, SIZES)
    assert caught.value.rows[1:] == [("b.0.steps", "", "found, int64, strided")]


def test_what_nobody_tells_is_asked_for(theirs: TensorDict, saved: Saved) -> None:
    path = saved(theirs)
    told = {name: size for name, size in SIZES.items() if name not in ("residual", "widths")}
    with pytest.raises(ModelError, match=r"does not say its network's residual, widths") as caught:
        convert(path, told)
    assert "--config" in str(caught.value.hint)
    assert convert(path, {**SIZES, "residual": "none"}).config.residual == "none"


def test_told_sizes_that_differ_are_refused(
    theirs: TensorDict, rows_of: Rows, saved: Saved
) -> None:
    rows = rows_of(theirs, {**SIZES, "scale": 2})
    assert rows[0] == ("depatchifier.project.bias", "(12,)", "must be (48,)")
    with pytest.raises(ModelError, match="unknown keys: colour"):
        convert(saved(theirs), {**SIZES, "colour": 3})


def test_numbers_that_are_not_finite_are_refused(theirs: TensorDict, saved: Saved) -> None:
    theirs["b.0.op.Ds"][3] = float("inf")
    with pytest.raises(ModelError, match=r"b\.0\.op\.Ds is not finite"):
        convert(saved(theirs), SIZES)


def test_names_cannot_steer_a_terminal(theirs: TensorDict, rows_of: Rows) -> None:
    theirs["\x1b[2J" + "x" * 500] = torch.ones(1)
    (name, _, _), *_ = rows_of(theirs)
    assert name.startswith(r"\x1b[2Jxxx")
    assert len(name) == 80


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ("[]", "is no table"),
    ],
)
def test_configurations_that_are_none_are_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "sizes.json"
    path.write_text(text)
    with pytest.raises(ModelError, match=words) as caught:
        read_sizes(path)
    assert str(path) in caught.value.message
    path.write_text(json.dumps(SIZES))
    assert ModelConfig.from_dict(read_sizes(path)) == ModelConfig.from_dict(SIZES)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for name in ("absent.pth", "absent.safetensors"):
        with pytest.raises(ModelError, match=name):
            convert(tmp_path / name)
    with pytest.raises(ModelError, match="cannot read the configuration"):
        read_sizes(tmp_path / "absent.json")
