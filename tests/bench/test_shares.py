"""Which kind an operation's time counts for, and that nothing is left out."""

import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from serpent_cli.ops import passes

sys.path.append(str(Path(__file__).parents[2]))
from bench.shares import kind_of, seconds_by_kind, share_rows


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("serpent.cross_scan_backward.default", "scan"),
        ("aten.mm.default", "products"),
        ("aten.convolution_backward.default", "products"),
        ("serpent.gated_norm_.default", "norms and gates"),
        ("serpent.depthwise_silu.default", "depthwise convolutions"),
        ("aten._to_copy.default", "casts"),
        ("aten.mul.Tensor", "other"),
        ("aten.t.default", "other"),
    ],
)
def test_kinds_of_operations(operation: str, kind: str) -> None:
    assert kind_of(operation) == kind


def test_shares_are_those_of_what_ran_and_sum_to_one() -> None:
    x, weight = torch.rand(64, 64), torch.rand(64, 64)

    def run() -> None:
        functional.linear(x, weight)
        passes.gated_norm(x, weight[0], weight[1])

    found = seconds_by_kind(run)
    assert found["products"] > 0
    assert found["norms and gates"] > 0
    assert found["scan"] == 0
    rows = share_rows("fp32", found)
    assert sum(row.value for row in rows) == pytest.approx(100)
    assert [row.value for row in rows] == sorted((row.value for row in rows), reverse=True)
