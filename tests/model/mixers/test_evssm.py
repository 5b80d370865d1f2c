"""EVSSM's mixer, blocks, windows and whole network against its authors'; see oracles/README.md."""

import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from serpent_cli.model.block import Block
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.frequency import FrequencyFeedForward
from serpent_cli.model.limits import flops, mixer_macs, scan_macs, size_multiple
from serpent_cli.model.mixers.evssm import Evssm, window_spans
from serpent_cli.model.unet import build_model
from serpent_cli.ops.backend import use_backend
from serpent_cli.zoo.evssm_names import translate_evssm

NETWORK = Path(__file__).with_name("oracles") / "evssm.npz"
SIZES = {
    "topology": "evssm", "mixer": "evssm", "patch_size": 1, "depth_bottleneck": 0,
    "state_size": 8, "feed_forward": 3.0, "feed_forward_kind": "frequency",
}  # fmt: skip
SMALL = ModelConfig(
    widths=(8, 16, 32), depths_down=(2, 2, 4), depths_up=(2, 2, 4), **SIZES  # pyright: ignore
)  # fmt: skip
FULL = ModelConfig(
    widths=(48, 96, 192), depths_down=(6, 6, 12), depths_up=(6, 6, 12), **SIZES  # pyright: ignore
)  # fmt: skip
# The stream of theirs after each of four blocks, from ours.
TURNS = [
    lambda x: x.mT,
    lambda x: x.mT.flip(-1, -2),
    lambda x: x.flip(-1, -2),
    lambda x: x,
]


def last(channels_first):
    return channels_first.permute(0, 2, 3, 1).contiguous()


def block_of(w, index, window=0):
    """Their block number `index` of a stage, in our module."""
    names = {
        f"{side}coder_level{level}.block{i}.{name}": tensor
        for side in ("en", "de") for level in (1, 2, 3) for i in range(4)
        for name, tensor in w.items()
    }  # fmt: skip
    made, _ = translate_evssm(names)
    assert not made.wrong
    own = {
        name.removeprefix(f"d1.blocks.{index}."): tensor
        for name, tensor in made.tensors.items() if name.startswith(f"d1.blocks.{index}.")
    }  # fmt: skip
    width, hidden = w["norm1.body.weight"].shape[0], w["ffn.project_out.weight"].shape[1]
    config = ModelConfig(
        widths=(width,) * 3, depths_down=(4, 4, 4), depths_up=(4, 4, 4),
        **{**SIZES, "feed_forward": hidden / width},
    )  # fmt: skip
    block = Block(config, width, 0, index).double()
    block.load_state_dict(own)
    block.mixer.window = window
    return block


def weights(given, start):
    return {n.removeprefix(start): t for n, t in given.items() if n.startswith(start)}


def test_its_mixer_gives_its_authors_numbers(oracle, agree):
    given = oracle("evssm")
    w = weights(given, "mixer.w.")
    module = Evssm(ModelConfig(mixer="evssm", state_size=3), 5, 0, 3).double()
    into, gate = w["in_proj.weight"].chunk(2)
    module.load_state_dict(
        {
            "project_in.weight": into, "project_gate.weight": gate,
            "conv.weight": w["conv2d.weight"], "conv.bias": w["conv2d.bias"],
            "scan.weight": w["x_proj_weight"], "scan.dt_weight": w["dt_projs_weight"].mT,
            "scan.dt_bias": w["dt_projs_bias"], "scan.A_log": w["A_logs"][None],
            "scan.D_skip": w["Ds"][None],
            "smooth.weight": w["x_conv.weight"], "smooth.bias": w["x_conv.bias"],
            "norm.weight": w["out_norm.weight"], "norm.bias": w["out_norm.bias"],
            "project_out.weight": w["out_proj.weight"],
        }
    )  # fmt: skip
    agree(module, last(given["mixer.x"]), last(given["mixer.y"]))


def test_four_blocks_in_a_row_turn_as_theirs_do(oracle, agree):
    given = oracle("evssm")
    w = weights(given, "blocks.w.")
    blocks = nn.Sequential()
    for index, turn in enumerate(TURNS):
        blocks.append(block_of(w, index))
        y = turn(given[f"blocks.after{index}"])
        agree(blocks, last(given["blocks.x"]), last(y), size=max(1, y.abs().max().item()))


@pytest.mark.parametrize("form", ["whole", "padded"])
def test_its_feed_forward_gives_its_authors_numbers(form, oracle, agree):
    given = oracle("edffn")
    module = FrequencyFeedForward(4, 3.0).double()
    module.load_state_dict(
        {
            "project_in.weight": given["w.project_in.weight"].flatten(1),
            "conv.weight": given["w.dwconv.weight"],
            "project_out.weight": given["w.project_out.weight"].flatten(1),
            "mask": given["w.fft"].flatten(1, 3).view(4, 8, 5),
        }
    )
    agree(module, last(given[f"{form}.x"]), last(given[f"{form}.y"]))


@torch.no_grad()
def test_its_windows_are_theirs(oracle):
    given = oracle("evssm")
    block = block_of(weights(given, "blocks.w."), 0, window=8).eval()
    y = block(last(given["windows.x"]))
    torch.testing.assert_close(y, last(given["windows.y"].mT), atol=1e-10, rtol=0)
    block.mixer.window = 0
    assert (block(last(given["windows.x"])) - y).abs().max() > 1e-3


@pytest.mark.parametrize(("side", "window"), [(1, 4), (8, 8), (9, 8), (16, 8), (23, 7), (720, 384)])
def test_windows_cover_a_side_with_as_few_as_it_takes(side, window):
    spans = window_spans(side, window)
    assert len(spans) == -(-side // window)
    assert {i for begin, end in spans for i in range(begin, end)} == set(range(side))
    assert {end - begin for begin, end in spans} == {min(side, window)}


@torch.no_grad()
def test_windows_of_a_turned_block_are_the_turned_windows():
    torch.manual_seed(0)
    forward = Evssm(ModelConfig(mixer="evssm", state_size=2), 4, 4, 3).double().eval()
    backward = Evssm(ModelConfig(mixer="evssm", state_size=2), 4, 4, 2).double().eval()
    backward.load_state_dict(forward.state_dict())
    backward.conv.weight.copy_(forward.conv.weight.flip(2, 3))
    x = torch.randn(1, 6, 11, 4, dtype=torch.float64)
    torch.testing.assert_close(backward(x.flip(1, 2)).flip(1, 2), forward(x))


def drawn(name, shape):
    """The oracle's rule for a weight of the whole network."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    x = generator.standard_normal(shape)
    if name.endswith("A_logs"):
        x = 0.3 * x
    elif name.endswith((".Ds", ".fft")):
        x = 1 + 0.2 * x
    elif len(shape) == 1:
        x = 1 + 0.1 * x if name.endswith("weight") else 0.1 * x
    else:
        x = x / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(x)


def official():
    """The oracle's network, by its authors' names."""
    with np.load(NETWORK, allow_pickle=False) as arrays:
        rows = [row.decode() for row in arrays["network.names"]]
    named = (re.fullmatch(r"(\S+) \((.*)\)", row).groups() for row in rows)
    shapes = {name: tuple(map(int, s.strip(",").split(","))) for name, s in named}
    return {name: drawn(name, shape) for name, shape in shapes.items()}


def picture_and_values():
    """The oracle's picture, and what it gives for it."""
    with np.load(NETWORK, allow_pickle=False) as arrays:
        given = {
            name.removeprefix("network."): arrays[name]
            for name in arrays if name.startswith("network.") and name != "network.names"
        }  # fmt: skip
    generator = np.random.Generator(np.random.PCG64(int(given["input_seed"])))
    picture = torch.from_numpy(generator.random(tuple(given["input_shape"])))
    return picture, {name: torch.from_numpy(np.asarray(value)) for name, value in given.items()}


@torch.no_grad()
def test_the_whole_network_gives_its_authors_numbers():
    x, given = picture_and_values()
    made, sizes = translate_evssm(official())
    assert not made.wrong
    config = ModelConfig.from_dict({**sizes, "window": 0})
    assert config == SMALL
    network = build_model(config).double().eval()
    network.load_state_dict(made.tensors)
    y = network(x)
    assert y.shape == tuple(given["shape"])
    torch.testing.assert_close(y.flatten()[given["at"]], given["values"], atol=1e-10, rtol=0)
    torch.testing.assert_close(y.mean(), given["mean"], atol=1e-10, rtol=0)
    torch.testing.assert_close(y.std(correction=0), given["std"], atol=1e-10, rtol=0)
    with use_backend("native"):
        single = network.float()(x.float()).double().flatten()[given["at"]]
    size = float(given["values"].abs().max())  # 5.5; the plain loop, too, is 4e-5 off
    torch.testing.assert_close(single, given["values"], atol=1e-5 * size, rtol=0)


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_it_has_as_many_parameters_and_operations_as_theirs():
    with torch.device("meta"):
        network, block = build_model(FULL), Block(FULL, 48, 0)
    assert parameters(network) / 1e6 == pytest.approx(17.129, abs=5e-4)
    assert parameters(block.mixer) == 18_200
    assert parameters(block) == 43_640
    # Theirs count what makes δ with the products; apart, 9 N + 1 for the recurrence of a channel.
    scans = sum(
        (FULL.depths_down[i] + FULL.depths_up[i]) * scan_macs(65536 >> 2 * i, 96 << i, 1, 8, 0)
        for i in range(3)
    )
    assert size_multiple(FULL) == 4
    assert (flops(FULL, 256, 256) - scans) / 1e9 == pytest.approx(125.5, abs=0.1)
    assert 2 * scans * 73 / 72 / 1e9 == pytest.approx(11.0, abs=0.05)
    recurrence = scan_macs(65536, 96, 1, 8, 0)
    assert (mixer_macs(FULL, 48, 65536) - recurrence) / 1e9 == pytest.approx(1.11, abs=0.005)
    assert 2 * recurrence * 73 / 72 / 1e9 == pytest.approx(0.46, abs=0.005)
