"""Several processes, one run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import skimage.data
import torch
from PIL import Image
from safetensors.torch import load_file

from serpent_cli.errors import DeviceError, UsageError
from serpent_cli.training.processes import ALONE, Processes, join_processes

CPU = torch.device("cpu")
RECIPE = """
name = "small"
description = "For tests."
model = { widths = [8, 8, 8, 8] }
degrade = { task = "deblur" }
data = { crop = 16, halo = 8, batch = 4 }
optim = { steps = 2, warmup = 1 }
log = { every = 1 }
"""
# What each process has before and after the gradients meet, and its weights at the end.
SPY = """
import sys
from pathlib import Path
from safetensors.torch import save_file
from serpent_cli.cli.app import main
from serpent_cli.training.loop import Trainer
from serpent_cli.training.processes import Processes

seen, average, run = {}, Processes.average, Trainer.run

def spy(self, tensors):
    seen["before"] = tensors[-1].clone()
    average(self, tensors)
    seen["after"] = tensors[-1].clone()

def run_and_save(self, on_report, minutes):
    run(self, on_report, minutes)
    seen["weights"] = self.state.model.get_parameter("patchifier.embed.weight").detach().clone()
    save_file(seen, self.out / f"seen-{self.processes.rank}.safetensors")

Processes.average, Trainer.run = spy, run_and_save
main(sys.argv[1:])
"""


def test_a_single_process_needs_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    processes, device = join_processes(CPU)
    assert (processes, device) == (ALONE, CPU)
    gradient = torch.ones(3)
    processes.average([gradient])
    assert torch.equal(gradient, torch.ones(3))


def test_a_launch_without_accelerate_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    monkeypatch.setattr(torch.distributed, "is_torchelastic_launched", lambda: True)
    with pytest.raises(DeviceError, match="accelerate"):
        join_processes(CPU)


def test_batches_are_shared_out_evenly() -> None:
    assert Processes(4, 1).part_of(16) == 4
    with pytest.raises(UsageError, match="multiple of the 3 processes"):
        Processes(3, 1).part_of(16)


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    (tmp_path / "small.toml").write_text(RECIPE)
    (tmp_path / "spy.py").write_text(SPY)
    (tmp_path / "photos").mkdir()
    Image.fromarray(skimage.data.astronaut()[:128, :160]).save(tmp_path / "photos" / "a.png")
    command = (
        f"{sys.executable} -m accelerate.commands.launch --multi_gpu --num_processes 2"
        " --num_machines 1 --mixed_precision no --dynamo_backend no --main_process_port 0"
        " spy.py train small.toml --photos photos --out run --device cpu --json"
    )
    ended = subprocess.run(
        command.split(), cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr
    first, second = (load_file(tmp_path / "run" / f"seen-{rank}.safetensors") for rank in (0, 1))
    assert not torch.equal(first["before"], second["before"]), "both had the same crops"
    torch.testing.assert_close(first["after"], (first["before"] + second["before"]) / 2)
    for name in ("after", "weights"):
        assert torch.equal(first[name], second[name]), name
    lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    assert [line["step"] for line in lines] == [1, 2], "only the first process speaks"
    written = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"log.jsonl", "state.safetensors", "small.safetensors", "small.json"} <= written
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 2
