"""MHS-VM's mixer, its gate and its routes against their authors'; see oracles/README.md."""

import pytest
import torch
from torch import nn

from serpent_cli.errors import ModelError
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.mixers.mhs import PATHS, PATTERNS, MultiHeadScan, agreed, route
from serpent_cli.ops.cross_scan.paths import to_sequence

CPU = torch.device("cpu")
SHAPES = ["4x4", "4x6", "6x4", "5x7", "7x5", "3x3", "2x5"]


def config(heads, **sizes):
    widths = (12, 12, 12, 12)
    return ModelConfig(mixer="mhs", expand=1.0, heads=heads, widths=widths, **sizes)


def theirs(given, heads):
    """Their parameters in our module, C = 12, N = 2."""
    start = f"{heads}heads.w."
    w = {name.removeprefix(start): t for name, t in given.items() if name.startswith(start)}
    module = MultiHeadScan(config(heads, state_size=2), 12).double()
    module.threshold = given[f"{heads}heads.gfu_t"].item()
    into, gate = w["in_proj.weight"].chunk(2)
    each = [f"mhs.scanhead_{pattern}.mambaeng." for pattern in PATTERNS[:heads]]
    head = 12 // heads
    module.load_state_dict(
        {
            "project_in.weight": into, "project_gate.weight": gate,
            "conv.weight": w["conv2d.weight"], "conv.bias": w["conv2d.bias"],
            "project_heads.weight": w["mhs.x_ssproj_W"],
            "scan.weight": torch.cat([w[name + "x_proj_weight"] for name in each]),
            "scan.dt_weight": torch.cat([w[name + "dt_projs_weight"].mT for name in each]),
            "scan.dt_bias": torch.cat([w[name + "dt_projs_bias"] for name in each]),
            "scan.A_log": torch.cat([w[name + "A_logs"].view(4, head, 2) for name in each]),
            "scan.D_skip": torch.cat([w[name + "Ds"].view(4, head) for name in each]),
            "norm_heads.weight": w["mhs.cat_norm.weight"],
            "norm_heads.bias": w["mhs.cat_norm.bias"],
            "project_out.weight": w["mhs.y_proj.weight"],
            "norm.weight": w["out_norm.weight"], "norm.bias": w["out_norm.bias"],
        }
    )  # fmt: skip
    return module


@pytest.mark.parametrize("heads", [3, 4])
def test_it_gives_its_authors_numbers(heads, oracle, agree):
    given = oracle("mhs")
    agree(theirs(given, heads), given[f"{heads}heads.x"], given[f"{heads}heads.y"])


def test_its_gate_is_theirs(oracle):
    given = oracle("mhs")
    y = agreed(list(given["gate.x"][0]), given["gate.t"].item())
    torch.testing.assert_close(y, given["gate.y"][0], atol=1e-12, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_its_routes_are_theirs(shape, oracle):
    height, width = map(int, shape.split("x"))
    pixels = torch.arange(height * width).view(1, height, width, 1)
    for j, pattern in enumerate(PATTERNS):
        for i in (0, 1):
            expected = oracle("mhs")[f"routes_{shape}"][2 * j + i].long()
            if pattern in PATHS:
                order = to_sequence(pixels, PATHS[pattern][i]).flatten()
            else:
                order, places = route(pattern, i, height, width, CPU)
                assert torch.equal(order[places], torch.arange(height * width))
            assert torch.equal(order, expected), (pattern, i)


# VM-UNet (arXiv 2402.02491) around the blocks: patches of 4 in and out, three merges and expands.
def vm_unet(blocks, norm_and_mixer):
    dims = (96, 192, 384, 768)
    total = 3 * 16 * 96 + 96 + 2 * 96  # patches, and their norm
    for c in dims[:3]:
        total += 2 * 4 * c + 4 * c * 2 * c  # a norm of 4C, then to 2C
    for c in dims[:0:-1]:
        total += 2 * c * c + 2 * (c // 2)  # to 2C, then a norm of C / 2
    total += 96 * 96 * 4 + 2 * 24 + 24 + 1  # to 4C, a norm of C / 4, one class
    down, up = (2, 2, 2, 2), (1, 2, 2, 2)
    return total + sum(blocks(c, down[i] + up[i]) for i, c in enumerate(dims)) * norm_and_mixer


@pytest.mark.parametrize(("heads", "millions"), [(3, 17.386), (4, 17.257)])
def test_a_network_of_its_blocks_has_as_many_parameters_as_theirs(heads, millions):
    sizes = ModelConfig(
        mixer="mhs", expand=1.0, heads=heads, state_size=16, widths=(96, 192, 384, 768)
    )

    def blocks(width, count):
        with torch.device("meta"):
            block = nn.ModuleList([nn.LayerNorm(width), MultiHeadScan(sizes, width)])
        return count * sum(p.numel() for p in block.parameters())

    assert vm_unet(blocks, 1) / 1e6 == pytest.approx(millions, abs=5e-4)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"expand": 2.0}, "expand must be 1"),
        ({"expand": 1.0, "heads": 5}, "heads must be 3 or 4"),
        ({"expand": 1.0, "heads": 3}, "must divide all widths"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(sizes, words):
    with pytest.raises(ModelError, match=words):
        ModelConfig(mixer="mhs", **sizes)
