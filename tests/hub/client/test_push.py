"""What is pushed is what this program and huggingface_hub's mixin load again."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Serpent = Callable[..., Any]

CARD = """
from huggingface_hub import ModelCard
data = ModelCard.load("me/sharp").data
print(data.library_name, data.license, data.pipeline_tag, data.model_name)
print(len(data.eval_results), data.eval_results[0].metric_type, data.eval_results[0].metric_value)
print(data.datasets[0])
"""
MIXIN = """
import torch
from serpent_cli import Serpent
from serpent_cli.zoo.load import load_model
torch.manual_seed(0)
x = torch.rand(1, 3, 64, 64)
network = Serpent.from_pretrained("me/sharp")
expected, _ = load_model("deblur", torch.device("cpu"))
assert not network.training
assert torch.equal(network(x), expected(x))
"""


@pytest.fixture
def python(environment: dict[str, str]) -> Callable[[str], str]:
    """Run a program with the real client and the small Hub."""

    def run(program: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True,
            timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_pushed_model_is_loaded_again(
    serpent: Serpent, hub: Any, python: Callable[[str], str], weights: dict[str, bytes],
    photo_file: Path,
) -> None:  # fmt: skip
    hub.token = "hf_secret"
    done = serpent("models", "push", "deblur", "me/sharp")
    done.failed(4, "no repository me/sharp", "HF_TOKEN")
    done = serpent("models", "push", "deblur", "me/sharp", HF_TOKEN="hf_secret")
    assert done.code == 0, done.err
    name = done.out.strip()
    assert name == f"hf://me/sharp@{hub.heads['me/sharp']}"
    hub.token = None
    files = hub.repos["me/sharp"][hub.heads["me/sharp"]]
    assert sorted(files) == ["README.md", "config.json", "model.json", "model.safetensors"]
    assert files["model.safetensors"] == weights["model.safetensors"]
    target = photo_file.with_name("out.png")
    assert serpent("deblur", photo_file, "--model", name, "-o", target).code == 0
    facts = python(CARD).splitlines()
    assert facts[0] == "serpent-restore mit image-to-image deblur"
    count, metric, value = facts[1].split()
    assert int(count) > 10
    assert metric == "psnr"
    assert 20 < float(value) < 60
    assert facts[2]
    python(MIXIN)


def test_what_cannot_be_pushed(serpent: Serpent, hub: Any, tmp_path: Path) -> None:
    serpent("models", "push", "deblur", "nowhere").failed(2, "nowhere is not a repository")
    serpent("models", "push", "nothing", "me/sharp").failed(4, "there is no model named")
    offline = {"HF_HUB_OFFLINE": "1"}
    serpent("models", "push", "deblur", "me/sharp", **offline).failed(4, "serpent is offline")
    hub.fail("/lfs/", method="PUT", status=403, times=1)
    serpent("models", "push", "deblur", "me/sharp").failed(4, "does not let you", "(403)")
    hub.fail("/commit/", method="POST", status=413)
    serpent("models", "push", "deblur", "me/sharp").failed(4, "refuses (413)")
    assert not hub.repos["me/sharp"]
