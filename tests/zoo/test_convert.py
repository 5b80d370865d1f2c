"""Foreign state dicts: what is converted computes what VMamba's equations do."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import build_model
from serpent_cli.zoo.checkpoint import save_weights
from serpent_cli.zoo.convert import convert
from serpent_cli.zoo.load import load_model
from serpent_cli.zoo.vmamba_names import strip_prefixes

TensorDict = dict[str, Tensor]
MakeWeights = Callable[..., Path]
Network = Callable[..., TensorDict]
Block = Callable[..., Tensor]
Saved = Callable[..., Path]

V0 = ModelConfig(widths=(8, 12, 16, 20), state_size=3, expand=1.5)
V05 = ModelConfig(widths=(8, 12, 16, 20), expand=2.0, gate=False, feed_forward=2.0)
FORMS = {
    "v0": (V0, "self_attention", "ln_1"),
    "v0, later names": (V0, "op", "norm"),
    "v05": (V05, "op", "norm"),
}
WIDTHS = {"d1.blocks.0": 8, "d3.blocks.0": 16, "b.0": 20, "u2.blocks.0": 16}


def within(tensors: TensorDict, block: str) -> TensorDict:
    return {n.removeprefix(f"{block}."): t for n, t in tensors.items() if n.startswith(f"{block}.")}


@pytest.mark.parametrize("form", FORMS)
def test_converted_blocks_compute_what_vmamba_s_do(
    form: str, vmamba_network: Network, vmamba_block: Block, saved: Saved
) -> None:
    config, op, norm = FORMS[form]
    theirs = vmamba_network(config, op, norm)
    made = convert(saved(theirs), config.record())
    assert made.config == config
    model = build_model(made.config).double()
    model.load_state_dict(made.tensors)
    for name, width in WIDTHS.items():
        x = torch.randn(4, 5, width, dtype=torch.float64)
        with torch.no_grad():
            ours = model.get_submodule(name)(x[None].clone())[0]
        expected = vmamba_block(x, within(theirs, name), op, config.gate)
        assert (expected - x).std() > 0.1, "the block does something"
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)


SPOILS: dict[str, Callable[[Tensor], Tensor]] = {
    "in_proj.weight": lambda t: t.roll(t.shape[0] // 2, 0),
    "x_proj_weight": lambda t: t[[0, 2, 1, 3]],
    "dt_projs_bias": lambda t: t[[1, 0, 3, 2]],
    "A_logs": lambda t: t.view(-1, 4, t.shape[1]).transpose(0, 1).reshape(t.shape),
    "Ds": lambda t: t.view(-1, 4).T.reshape(-1),
}


@pytest.mark.parametrize("part", SPOILS)
def test_another_layout_would_be_noticed(
    part: str, vmamba_network: Network, vmamba_block: Block
) -> None:
    # Other paths, or the halves of in_proj swapped, fail the test above.
    parts = within(vmamba_network(V0, "op", "norm"), "b.0")
    x = torch.randn(4, 5, 20, dtype=torch.float64)
    wrong = {**parts, f"op.{part}": SPOILS[part](parts[f"op.{part}"])}
    moved = vmamba_block(x, wrong, "op", True) - vmamba_block(x, parts, "op", True)
    assert moved.abs().max() > 1e-3


@pytest.mark.parametrize("config", [V0, V05], ids=["v0", "v05"])
def test_a_converted_network_is_written_and_loaded(
    config: ModelConfig, vmamba_network: Network, saved: Saved, tmp_path: Path
) -> None:
    theirs = {f"module.{n}": t for n, t in vmamba_network(config, "op", "norm").items()}
    made = convert(saved(theirs), config.record())
    assert "the prefix module. of all names is taken away" in made.notes
    out = tmp_path / "ours.safetensors"
    save_weights(made.tensors, made.config, out)
    model, card = load_model(str(out), torch.device("cpu"))
    assert card.config == made.config
    with torch.inference_mode():
        assert torch.isfinite(model(torch.rand(1, 3, 16, 16))).all()


def test_prefixes_go_only_if_every_name_has_them() -> None:
    one = torch.ones(1)
    wrapped = {"module._orig_mod.model.a": one, "module._orig_mod.model.b": one}
    stripped, notes = strip_prefixes(wrapped)
    assert (list(stripped), len(notes)) == (["a", "b"], 3)
    half = {"module.a": one, "b": one}
    assert strip_prefixes(half) == (half, [])


def test_the_result_shares_no_memory(theirs: TensorDict, saved: Saved) -> None:
    made = convert(saved(theirs), V0.record())
    places = {tensor.untyped_storage().data_ptr() for tensor in made.tensors.values()}
    assert len(places) == len(made.tensors)


def test_a_missing_bias_of_the_convolution_is_zero_and_said(
    vmamba_network: Network, saved: Saved
) -> None:
    made = convert(saved(vmamba_network(V05, "op", "norm")), V05.record())
    assert not made.tensors["b.0.mixer.conv.bias"].any()
    assert made.notes == ("b.0.op.conv2d has no bias: ours is zero (so in 7 blocks)",)


def test_linear_maps_may_be_convolutions_of_one_pixel(
    vmamba_network: Network, saved: Saved
) -> None:
    flat = vmamba_network(V05, "op", "norm")
    maps = ("op.in_proj.weight", "op.out_proj.weight", "mlp.fc1.weight", "mlp.fc2.weight")
    deep = {n: t[..., None, None] if n.endswith(maps) else t for n, t in flat.items()}
    first = convert(saved(flat), V05.record()).tensors
    second = convert(saved(deep), V05.record()).tensors
    assert all(torch.equal(first[name], second[name]) for name in first | second)


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(widths=(8, 8, 16, 16), depths_down=(1, 2, 3), depth_bottleneck=2, scale=4),
        ModelConfig(widths=(8, 12, 16, 20), mixer="spatial", join="concat", patch_size=4),
        ModelConfig(widths=(10, 20, 30, 48), expand=1.2, feed_forward=2.66, residual="none"),
    ],
)
def test_our_own_names_pass(
    config: ModelConfig, network_for: Callable[..., torch.nn.Module], saved: Saved
) -> None:
    tensors = network_for(config).state_dict()
    made = convert(saved(tensors), config.record())
    assert made.config == config
    assert made.tensors.keys() == tensors.keys()
    assert all(torch.equal(made.tensors[name], tensor) for name, tensor in tensors.items())
    assert made.notes == ()


def test_weights_of_ours_carry_their_own_sizes(make_weights: MakeWeights) -> None:
    path = make_weights(scale=2, residual="none")
    assert convert(path).config == ModelConfig(widths=(8, 16, 16, 16), scale=2, residual="none")


def test_pickles_are_converted_too(vmamba_network: Network, tmp_path: Path) -> None:
    theirs = vmamba_network(V0, "self_attention", "ln_1")
    path = tmp_path / "theirs.pth"
    torch.save({"model": theirs, "epoch": 9, "steps": torch.tensor(3)}, path)
    made = convert(path, V0.record())
    assert made.notes == ("the tensors are those of model; left aside: epoch, steps",)
    bias = theirs["b.0.self_attention.out_norm.bias"]
    assert torch.equal(made.tensors["b.0.mixer.norm.bias"], bias)
