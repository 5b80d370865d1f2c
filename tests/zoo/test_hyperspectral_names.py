"""Authors' names and layouts become ours; the networks' own tests compare what then comes out."""

import pytest
import torch
from torch import Tensor

from serpent_cli.zoo.hyperspectral_names import laid_out, ours, translate_hyperspectral


@pytest.mark.parametrize(
    ("kind", "theirs", "name"),
    [
        ("ssumamba", "encoder.stem.conv1.conv.weight", "stem.conv1.weight"),
        ("ssumamba", "encoder.mamba_layers.0.mamba.A_b_log", "scans.0.scan_back.A_log"),
        ("ssumamba", "decoder.seg_layers.4.bias", "head.bias"),
        ("cst", "fe.encoder_layers.1.0.net.2.weight", "estimators.0.down.1.expand.conv.weight"),
        ("cst", "decoder_layers.0.1.blocks.2.0.fn.to_q.weight", "up.0.2.0.fn.project_q.weight"),
        ("cfsdcn", "decoder_layers.1.2.blocks.0.dcn.input_proj.bias",
         "up.1.0.mixer.project_in.bias"),
        ("s2mamba", "blocks.0.BSS.dt_projs_weight_spectral", "spectral.scan.dt_weight"),
    ],
)  # fmt: skip
def test_parts_of_a_name_are_replaced_wherever_they_are(kind: str, theirs: str, name: str) -> None:
    assert ours(kind, theirs) == name


def test_both_halves_of_a_projection_and_what_nothing_uses() -> None:
    both, wanted = torch.randn(8, 3), {
        "scans.0.project_in.weight": torch.empty(4, 3),
        "scans.0.project_gate.weight": torch.empty(4, 3),
    }  # fmt: skip
    given = {
        "encoder.mamba_layers.0.mamba.in_proj.weight": both,
        "decoder.seg_layers.3.weight": torch.randn(2),
    }
    made = translate_hyperspectral("ssumamba", given, wanted)
    assert made.keys() == wanted.keys()
    assert torch.equal(made["scans.0.project_in.weight"], both[:4])
    assert torch.equal(made["scans.0.project_gate.weight"], both[4:])


def test_one_projection_without_a_gate_stays_whole() -> None:
    both = torch.randn(8, 3)
    made = translate_hyperspectral("ssumamba", {"in_proj.weight": both}, {})
    assert made.keys() == {"project_in.weight"}
    assert torch.equal(made["project_in.weight"], both)


@pytest.mark.parametrize(
    ("name", "given", "shape"),
    [
        ("project.weight", torch.randn(4, 3, 1, 1), (4, 3)),  # a linear map, as a convolution
        ("scan.A_log", torch.randn(8, 2), (4, 2, 2)),  # K·D as K, D
        ("scan.D_skip", torch.randn(8), (4, 2)),
    ],
)
def test_layouts_that_hold_the_same_numbers(
    name: str, given: Tensor, shape: tuple[int, ...]
) -> None:
    made = laid_out(name, given, torch.empty(shape))
    assert made.shape == shape
    assert torch.equal(made.flatten(), given.flatten())


def test_a_rank_s_weights_are_turned() -> None:
    given = torch.randn(4, 6, 2)
    assert torch.equal(laid_out("scan.dt_weight", given, torch.empty(4, 2, 6)), given.mT)


@pytest.mark.parametrize("shape", [(3, 4), (5,), None])
def test_what_fits_nothing_stays_as_it_is(shape: tuple[int, ...] | None) -> None:
    given = torch.randn(4, 3)
    assert laid_out("project.weight", given, None if shape is None else torch.empty(shape)) is given
