"""PlainMamba's mixer against its authors' module; see oracles/README.md."""

import pytest
import torch

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.mixers.plain import PATHS, Plain, directions
from serpent_cli.ops.cross_scan.paths import to_sequence

CPU = torch.device("cpu")
MAPS = ["3x3", "4x5", "5x4"]


def theirs(given):
    """Their parameters in our module, C = 4, D = 8, N = 3."""
    w = {name[2:]: tensor for name, tensor in given.items() if name.startswith("w.")}
    module = Plain(ModelConfig(mixer="plain", state_size=3), 4).double()
    into, gate = w["in_proj.weight"].chunk(2)
    into_bias, gate_bias = w["in_proj.bias"].chunk(2)
    module.load_state_dict(
        {
            "theta": w["direction_Bs"],
            "project_in.weight": into, "project_in.bias": into_bias,
            "project_gate.weight": gate, "project_gate.bias": gate_bias,
            "conv.weight": w["conv2d.weight"], "conv.bias": w["conv2d.bias"],
            "scan.weight": w["x_proj.weight"][None],
            "scan.dt_weight": w["dt_proj.weight"].T[None],
            "scan.dt_bias": w["dt_proj.bias"][None],
            "scan.A_log": w["A_log"][None], "scan.D_skip": w["D"][None],
            "project_out.weight": w["out_proj.weight"], "project_out.bias": w["out_proj.bias"],
        }
    )  # fmt: skip
    return module


@pytest.mark.parametrize("size", MAPS)
def test_it_gives_its_authors_numbers(size, oracle, agree):
    given = oracle("plain")
    agree(theirs(given), given[f"{size}.x"], given[f"{size}.y"])


@pytest.mark.parametrize("size", MAPS)
def test_its_snakes_and_their_moves_are_theirs(size, oracle):
    given = oracle("plain")
    height, width = map(int, size.split("x"))
    moves = directions(height, width, CPU)
    pixels = torch.arange(height * width).view(1, height, width, 1)
    for k, path in enumerate(PATHS):
        assert torch.equal(to_sequence(pixels, path).flatten(), given[f"{size}.orders"][k].long())
        visited = to_sequence(moves[None, ..., k], path).flatten()
        assert torch.equal(visited, given[f"{size}.directions"][k].long())


@pytest.mark.parametrize(("width", "parameters"), [(192, 269_840), (384, 1_000_400)])
def test_it_has_as_many_parameters_as_theirs(width, parameters):
    with torch.device("meta"):
        module = Plain(ModelConfig(mixer="plain", state_size=16), width)
    assert sum(p.numel() for p in module.parameters()) == parameters


def test_without_its_moves_a_turned_map_gives_the_turned_result(scrambled):
    """The four snakes are alike, and so is the map under a turn about 180°: both have odd sides."""
    torch.manual_seed(0)
    module = scrambled(Plain(ModelConfig(mixer="plain", state_size=2), 6).double())
    with torch.no_grad():
        module.theta.zero_()
        module.conv.weight.copy_((module.conv.weight + module.conv.weight.flip(2, 3)) / 2)
        x = torch.randn(1, 5, 7, 6, dtype=torch.float64)
        torch.testing.assert_close(module(x.flip(1, 2)), module(x).flip(1, 2))
        module.theta[1] = 1.0  # to the right
        assert (module(x.flip(1, 2)) - module(x).flip(1, 2)).abs().max() > 1e-3
