"""V2M's mixer against its authors' module; see oracles/README.md."""

import pytest
import torch

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.mixers.v2m import V2M


def theirs(given):
    """Their parameters in our module, C = 4, D = 8, N = 3."""
    w = {name[2:]: tensor for name, tensor in given.items() if name.startswith("w.")}
    module = V2M(ModelConfig(mixer="v2m", state_size=3), 4).double()
    into, gate = w["in_proj.weight"].chunk(2)
    own = {
        "project_in.weight": into, "project_gate.weight": gate,
        "project_out.weight": w["out_proj.weight"],
    }  # fmt: skip
    for part, number, word in (("", "", ""), ("_across", "_2", "_2")):
        own |= {
            f"conv{part}.weight": w[f"conv1d{number}.weight"],
            f"conv{part}.bias": w[f"conv1d{number}.bias"],
            f"scan{part}.weight": w[f"x_proj{number}.weight"][None],
            f"scan{part}.dt_weight": w[f"dt_proj{number}.weight"].T[None],
            f"scan{part}.dt_bias": w[f"dt_proj{number}.bias"][None],
            f"scan{part}.A_log": w[f"A{word}_log"][None],
            f"scan{part}.D_skip": w[f"D{number}"][None],
        }
    module.load_state_dict(own)
    return module


@pytest.mark.parametrize("form", ["square", "oblong"])
def test_it_gives_its_authors_numbers(form, oracle, agree):
    given = oracle("v2m")
    agree(theirs(given), given[f"{form}.x"], given[f"{form}.y"])


@pytest.mark.parametrize(("width", "parameters"), [(192, 269_568), (384, 1_018_368)])
def test_it_has_as_many_parameters_as_theirs(width, parameters):
    with torch.device("meta"):
        module = V2M(ModelConfig(mixer="v2m", state_size=16), width)
    assert sum(p.numel() for p in module.parameters()) == parameters


@torch.no_grad()
def test_what_comes_later_in_both_ways_is_not_seen(scrambled):
    """With one orientation alone the result is causal in rows and in columns."""
    torch.manual_seed(0)
    module = scrambled(V2M(ModelConfig(mixer="v2m", state_size=2), 4).double())
    x = torch.randn(1, 6, 7, 4, dtype=torch.float64)
    moved = x.clone()
    moved[:, 3, 4] += 1
    a, b = (module._across(module._along(module.project_in(y), "row"), "col") for y in (x, moved))
    seen = (a - b).abs().amax(-1)[0] > 1e-12
    assert seen[3:, 4:].all()
    assert not seen[:3].any()
    assert not seen[:, :4].any()
